"""The whole comparison in miniature: a tiny model, warmed up, trained by each method, evaluated."""
