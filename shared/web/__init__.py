"""The look of Leadloop: the page shell, its parts and styles, and how pages are rendered."""

from shared.web.links import Links, local_path
from shared.web.pages import Pages, problem_page, templates
from shared.web.static_files import static_mounts

__all__ = ["Links", "Pages", "local_path", "problem_page", "static_mounts", "templates"]
