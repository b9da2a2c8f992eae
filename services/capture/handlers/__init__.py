"""One synchronous function a command: ``submissions`` takes leads in, ``activities`` records what
they did, ``fields`` declares custom fields."""
