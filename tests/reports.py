"""Reports as tests make them: from what the service once answered, with a name or a record changed."""

import copy
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from creditsvc.domain import instants
from creditsvc.report.content import Asked, SealName, Told, compose
from creditsvc.report.number import Claim, write
from scoring import engine
from tests.making import CATALOGUE

BASE = "https://credit.example.org"
AT = datetime(2026, 11, 23, 5, tzinfo=UTC)
KEY = bytes(32)
SEAL = SealName("示例印章 Example seal", test=True)
HOSTILE = (
    '#eval("1+1")',
    "#sys.inputs.data",
    '#import "@preview/cetz:0.3.1"',
    '#read("/etc/passwd")',
    "*bold* _emphasis_ = heading",
    "$ sum_(i=1)^n $ `raw` @label <label> \\ \\u{41}",
    "]]]]})) #[",
    '"; } //',
    "</script><script>alert(1)</script>",
    '<b onclick="alert(1)">&amp;&lt;',
    "{{ 7 * 7 }} {% raw %} {title} %s",
    "\u202egnirts desrever",
    "名称" * 128,
    "W" * 256,
)


def model():
    """The official model, as in /v1/models."""
    known = engine.load("credit-baseline", "1")
    rules = json.loads(engine.content(known.name, known.version))
    return {"title": dict(known.title), "rules": rules, "source": known.source}


def told(name="company"):
    """What the service answered; the caller may change it."""
    file = Path(__file__).parent / f"unit/report/told/{name}.json"
    return Told(**json.loads(file.read_text(encoding="utf-8")), model=model())


def asked(given, language="zh", **changed):
    profile = given.profile
    claim = Claim(profile["entity"], instants.parse(profile["valid_from"]))
    number = write(claim, KEY)
    return Asked(
        **({"at": AT, "language": language, "base_url": BASE, "number": number, "seal": SEAL} | changed)
    )


def report(language="zh", given=None, **changed):
    given = given or told()
    return compose(given, asked(given, language, **changed), CATALOGUE)


def with_words(words):
    """An organisation that is called so, and whose records say nothing else."""
    given = copy.deepcopy(told())
    given.profile["name"] = words
    for one in given.records:
        one["data"] = {name: one["data"][name] for name in one["data"] if name in {"decided_on", "severity"}}
        one["data"] |= dict.fromkeys(("title", "facts", "basis", "reason"), words)
        one["data"]["authority"] = {"name": words}
    return given


def text_of(pdf, *options):
    """The text of a PDF as any reader of PDFs finds it, by a program that knows nothing of us."""
    program = shutil.which("pdftotext")
    if program is None:
        raise FileNotFoundError("pdftotext is missing: apt-get install poppler-utils")
    done = subprocess.run([program, *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def scanned(pdf, folder):
    """What a telephone reads off the first page: its code, by a program that knows nothing of us."""
    for program, package in (("pdftoppm", "poppler-utils"), ("zbarimg", "zbar-tools")):
        if shutil.which(program) is None:
            raise FileNotFoundError(f"{program} is missing: apt-get install {package}")
    page = folder / "page"
    draw = ["pdftoppm", "-r", "150", "-f", "1", "-l", "1", "-singlefile", "-png", "-", str(page)]
    subprocess.run(draw, input=pdf, check=True)
    done = subprocess.run(["zbarimg", "--raw", "-q", f"{page}.png"], capture_output=True, check=True)
    return done.stdout.decode().strip()
