"""What a definition would have done, and would do: computed in a process of its own.

``python -m services.qualify.analysis`` answers one request (``shared.runtime.jobs``) by its
``task``. It opens qualify's own database, for reading only: decisions with the inputs they were
made from, and what reps and deals said of the leads. No serving process imports it, for it needs
numpy (docs/adr/0014).
"""
