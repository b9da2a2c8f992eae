"""What a browser finds outside the services: front page, login, logout, static files."""
