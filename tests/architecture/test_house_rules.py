"""The house rules that no linter knows."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from shared.contracts.topics import topics_read_by

ROOT = Path(__file__).parents[2]
PACKAGES = ("services", "shared", "deploy", "dev")

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
        if ast.get_docstring(node) is None and not _is_short_protocol_member(node)
    ]
    assert silent == [], "\n".join(silent)


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


GONE = ("sqlalchemy.ext.asyncio", "sqlalchemy.orm", "aiosqlite", "asyncpg", "greenlet")
"""A transaction is one call on one thread: what changes threads for each statement is not used. The
ORM takes half a second of every start."""


def _imported(tree: ast.AST) -> set[str]:
    """Every module that a file names in an import, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _forbidden(source: str) -> list[str]:
    return sorted(
        name
        for name in _imported(ast.parse(source))
        if any(name == gone or name.startswith(f"{gone}.") for gone in GONE)
    )


def test_nobody_goes_back_to_a_thread_for_each_statement() -> None:
    for path in _sources(*PACKAGES, "tests"):
        assert _forbidden(path.read_text()) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "import aiosqlite",
        "import asyncpg.pool as p",
        "from sqlalchemy.ext import asyncio",
        "from sqlalchemy.ext.asyncio import AsyncConnection",
        "def f():\n    from greenlet import getcurrent",
        "from sqlalchemy import orm",
    ],
)
def test_the_rule_notices_who_does(source: str) -> None:
    assert _forbidden(source)
    assert not _forbidden("import sqlite3\nfrom sqlalchemy import select\nimport psycopg")


def test_they_are_not_installed_with_the_product_either() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for name in ("aiosqlite", "asyncpg"):
        assert f"\n{name}==" not in lock


def test_what_ships_imports_no_async_database() -> None:
    """Not by way of a library either: seen in a process that has built the whole product."""
    program = (
        "import sys, tempfile\n"
        "from deploy.compose import build\n"
        "from deploy.settings import Settings\n"
        "build(Settings(LEADLOOP_DATA=tempfile.mkdtemp()))\n"
        "print(*(name for name in sys.argv[1:] if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *GONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


HEAVY = ("numpy", "scipy", "sklearn", "authlib", "joserfc", "cryptography")
"""For processes of their own (``shared.runtime.jobs``): they take seconds and memory to import. The
last ones are for the first login at a provider."""


def _loaded_by_the_product(more: str = "") -> list[str]:
    """What of ``HEAVY`` is in a process that has built all that serves."""
    program = (
        "import sys, tempfile\n"
        "import deploy.run\n"
        "from deploy.compose import build\n"
        "from deploy.settings import Settings\n"
        "build(Settings(LEADLOOP_DATA=tempfile.mkdtemp()))\n"
        f"{more}\n"
        "print(*(name for name in sys.argv[1:] if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *HEAVY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nothing_that_serves_imports_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    login = {"ISSUER": "https://a.example", "CLIENT_ID": "a", "ROLES": "a=rep"}
    for name, value in login.items():
        monkeypatch.setenv(f"LEADLOOP_OIDC_{name}", value)
    assert _loaded_by_the_product() == []
    assert _loaded_by_the_product("import shared.scorecard.table") == ["numpy"]


ALWAYS = (
    "service.py",
    "settings.py",
    "handlers/__init__.py",
    "store/tables.py",
    "store/aggregates.py",
    "store/unit.py",
    "store/queries.py",
    "domain/__init__.py",
    "migrations/versions",
)
"""What every service has, under the same name: who knows one of them knows all."""
NEVER = re.compile(
    r"ports\.py|uow\.py|unit_of_work\.py|repositor(y|ies)\.py|reads?\.py|reading\.py|models?\.py"
)
"""Other words for the same."""


@pytest.mark.parametrize("name", _services())
def test_every_service_has_the_same_files(name: str) -> None:
    folder = ROOT / "services" / name
    missing = [path for path in ALWAYS if not (folder / path).exists()]
    assert missing == []
    assert (folder / "http.py").exists() or (folder / "http" / "__init__.py").exists()
    assert (folder / "consumer.py").exists() == bool(topics_read_by(name))
    layers = (f"services/{name}/store", f"services/{name}/handlers")
    other = [path.name for path in _sources(*layers) if NEVER.fullmatch(path.name)]
    assert not (folder / "ports.py").exists()
    assert other == []


@pytest.mark.parametrize("name", _services())
def test_handlers_and_stores_wait_for_nothing(name: str) -> None:
    """A transaction is one call: whoever is inside it has nothing to await."""
    for layer in ("domain", "handlers", "store"):
        for path in _sources(f"services/{name}/{layer}"):
            for node in ast.walk(ast.parse(path.read_text())):
                waits = isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith)
                assert not waits, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("name", _services())
def test_a_handler_decides_and_leaves_the_rest_to_the_runtime(name: str) -> None:
    """No commit, broker, clock or log: not by import, and not by name."""
    for path in _sources(f"services/{name}/handlers"):
        tree = ast.parse(path.read_text())
        named = _imported(tree)
        banned = (
            "logging",
            "asyncio",
            "shared.bus",
            "shared.runtime.clock",
            "shared.runtime.relay",
        )
        assert not [n for n in named if n.startswith(banned)], path
        for call in ("datetime.now(", "time.time(", ".commit(", ".begin(", ".publish("):
            assert call not in path.read_text(), f"{path}: {call}"
