"""The house rules that no linter knows."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
PACKAGES = ("services", "shared", "deploy")

OBVIOUS = frozenset({"start", "stop", "check", "close", "step", "run", "now", "name", "advance"})
"""Methods whose class or protocol says what they do."""


def _sources(*packages: str) -> list[Path]:
    return [
        path
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def _settings() -> Iterator[type[BaseSettings]]:
    for path in _sources("services", "deploy"):
        if path.name == "settings.py":
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for _, found in inspect.getmembers(module, inspect.isclass):
                if issubclass(found, BaseSettings) and found.__module__ == module.__name__:
                    yield found


def _variables(settings: type[BaseSettings]) -> set[str]:
    return {_variable(settings, name) for name in settings.model_fields}


def _variable(settings: type[BaseSettings], name: str) -> str:
    alias = settings.model_fields[name].validation_alias
    return str(alias) if alias else f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def test_every_setting_is_in_the_example_and_the_other_way_round() -> None:
    read = set().union(*(_variables(settings) for settings in _settings()))
    text = (ROOT / ".env.example").read_text()
    written = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", text, flags=re.MULTILINE))
    assert read - written == set(), "missing in .env.example"
    assert written - read == set(), "in .env.example, but nothing reads it"


@pytest.mark.parametrize("settings", list(_settings()), ids=lambda found: found.__module__)
def test_the_example_holds_the_defaults(
    settings: type[BaseSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file .env it changes nothing; an empty value is the default; a line of it is heard."""
    for name in _variables(settings):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    defaults = settings()
    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(example)
    assert settings() == defaults
    (tmp_path / ".env").write_text("".join(f"{name}=\n" for name in _variables(settings)))
    assert settings() == defaults
    name, field = next(
        (n, f) for n, f in settings.model_fields.items() if isinstance(f.default, int | float)
    )
    variable = _variable(settings, name)
    (tmp_path / ".env").write_text(f"{variable}={int(field.default) + 7}\n")
    assert getattr(settings(), name) == int(field.default) + 7


def test_every_service_has_settings() -> None:
    modules = {settings.__module__ for settings in _settings()}
    assert {"deploy.settings", *(f"services.{n}.settings" for n in _services())} <= modules


def _services() -> list[str]:
    return [p.name for p in sorted((ROOT / "services").iterdir()) if (p / "service.py").exists()]


def test_nothing_shared_is_called_utils() -> None:
    names = {part for path in _sources(*PACKAGES) for part in path.with_suffix("").parts}
    assert not {name for name in names if re.fullmatch(r"utils?|helpers?|common|misc", name)}


def test_nobody_prints_or_waits_blindly_in_services_and_shared() -> None:
    for path in _sources("services", "shared"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "breakpoint"}, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                blocking = ast.unparse(node.func) == "time.sleep"
                assert not blocking, f"{path}:{node.lineno} blocks the loop"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "tools.lock"])
def test_a_lock_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "--hash=sha256:" in text
    for line in text.splitlines():
        assert "://" not in line.split("#")[0], line
        assert not line.strip().startswith(("-i", "--index", "--extra-index", "--find-links"))


def _public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What others call: module-level functions and classes, and the classes' methods."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in tree.body:
        if isinstance(node, (*kinds, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = {ast.unparse(base).split("[")[0] for base in node.bases}
            inherits = bool(bases - {"Protocol", "Generic", "BaseModel", "StrEnum", "BaseSettings"})
            for method in node.body:
                if isinstance(method, kinds) and not method.name.startswith("_"):
                    decorated = {ast.unparse(d) for d in method.decorator_list}
                    if method.name in OBVIOUS or inherits or "property" in decorated:
                        continue
                    yield method


def test_everything_public_says_what_it_does() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in _sources(*PACKAGES)
        if "versions" not in path.parts
        for node in _public(ast.parse(path.read_text()))
        if ast.get_docstring(node) is None
        and not _is_short_protocol_member(node)
        and node.name not in _described_in_ports(path)
    ]
    assert silent == [], "\n".join(silent)


def _described_in_ports(path: Path) -> set[str]:
    """What a service's ports say already need not be said again where it is implemented."""
    parts = path.relative_to(ROOT).parts
    ports = ROOT / parts[0] / parts[1] / "ports.py"
    if parts[0] != "services" or not ports.exists():
        return set()
    return {
        node.name
        for node in ast.walk(ast.parse(ports.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node)
    }


def _is_short_protocol_member(node: ast.AST) -> bool:
    body = getattr(node, "body", [])
    return len(body) == 1 and isinstance(body[0], ast.Expr) and ast.unparse(body[0]) == "..."


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources(*PACKAGES)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == [], "\n".join(silent)


def test_files_can_be_read_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _sources(*PACKAGES)
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert long == {}


def test_domains_know_no_clock() -> None:
    for path in _sources("services"):
        if "domain" in path.parts:
            text = path.read_text()
            for call in ("datetime.now(", "datetime.utcnow(", "time.time(", "random.", "uuid4("):
                assert call not in text, f"{path}: {call}"
