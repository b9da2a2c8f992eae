"""A submission's way in, which the API and the hosted forms share: encodings, shape, limits,
messages that name the field, and the queue for the next COMMIT. It stands between ``http|web`` and
``handlers`` because it is about bytes and about waiting, which neither of them knows."""
