"""The leaderboard: its rows, their ranks, and the forms that they are written in."""
