"""Estimators: pure functions of arrays, mostly of sums over examples, with no table behind them."""
