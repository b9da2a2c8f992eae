"""Learning a scorecard from answers. Runs in a process of its own: it needs numpy and
scikit-learn, which no serving process imports."""
