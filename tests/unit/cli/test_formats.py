"""What --format makes of rows, objects and documents."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from wherry.cli import formats
from wherry.cli.render import Output
from wherry.cli.tabwriter import aligned
from wherry.errors import NotFound
from wherry.gotemplate import TemplateError

PETS = formats.Listing(
    "zoo.pet", {"ID": "PET ID", "Name": "NAME", "Legs": "LEGS", "Labels": "LABELS"}, ("ID", "Name"), raw="id: {{.ID}}\n"
)


def row(id: str, name: str, legs: object = "4") -> formats.Row:
    return {"ID": id, "Name": name, "Legs": legs, "Labels": "a=1", "Label": {"com.zoo.best-food": "hay"}.get}


ROWS = [row("1", "ox"), row("22", "a very long name", lambda: "3")]


def listed(format: str, rows: list[formats.Row] | None = None, **options: Any) -> str:
    stdout = io.StringIO()
    formats.listing(Output(stdout, stdout, {}), PETS, ROWS if rows is None else rows, format, **options)
    return stdout.getvalue()


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("", "PET ID    NAME\n1         ox\n22        a very long name\n"),
        ("table", "PET ID    NAME\n1         ox\n22        a very long name\n"),
        ("{{.Name}} {{.Legs}}", "ox 4\na very long name 3\n"),
        (r"{{.ID}}\t{{.Legs}}\n", "1\t4\n\n22\t3\n\n"),
        ("  {{.ID}}  ", "1\n22\n"),
        (r"table {{.Name}}\t{{.Legs}}", "NAME               LEGS\nox                 4\na very long name   3\n"),
        ("table{{.ID}}", "PET ID\n1\n22\n"),
        ("tablefoo", "foo\nfoo\nfoo\n"),
        (r"table {{upper .Name}}\t{{.ID | truncate 1}}", None),
        (r"table {{upper .Name}}\t{{truncate .ID 1}}", "NAME               PET ID\nOX                 1\n"
                                                       "A VERY LONG NAME   2\n"),
        (r'table {{.ID}}\t{{.Label "com.zoo.best-food"}}', "PET ID    best food\n1         hay\n22        hay\n"),
        (r"table {{.ID}}\t{{range split .Name \"a\"}}{{.}}{{end}}", None),
        ("table {{slice .Name 0 2}}", "NA\nox\na \n"),
        ("table {{if .Name}}{{.Legs.x}}{{end}}", None),
        ("raw", "id: 1\n\nid: 22\n\n"),
        ("{{json .Name}}", '"ox"\n"a very long name"\n'),
        ("plain", "plain\nplain\n"),
    ],
)  # fmt: skip
def test_a_list(format: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(TemplateError):
            listed(format)
    else:
        assert listed(format) == text


def test_json_has_every_field_sorted_and_escaped_as_docker_does() -> None:
    line = '{"ID":"1","Labels":"a=1","Legs":"4","Name":"\\u003cnone\\u003e"}\n'
    assert listed("json", [row("1", "<none>")]) == listed("{{json .}}", [row("1", "<none>")]) == line


def test_quiet_is_for_the_default_table_only() -> None:
    assert listed("", quiet=True) == listed("table", quiet=True) == "1\n22\n"
    assert listed("{{.Legs}}", quiet=True) == "4\n3\n"
    assert listed("raw", quiet=True) == "id: 1\nid: 22\n"


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("{{.Nope}}", "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in "
                      "type *zoo.pet"),
        ("{{.ID", "template parsing error: template: :1: unclosed action"),
        ("{{.Label}}", 'template parsing error: template: :1:2: executing "" at <.Label>: wrong number of args for '
                       "Label: want 1 got 0"),
        ("table {{.ID.x}}", "can't evaluate field x in type string"),
    ],
)  # fmt: skip
def test_a_wrong_template_prints_nothing(format: str, words: str) -> None:
    stdout = io.StringIO()
    with pytest.raises(TemplateError) as caught:
        formats.listing(Output(stdout, stdout, {}), PETS, ROWS, format)
    assert words in str(caught.value)
    assert stdout.getvalue() == ""


def test_a_template_of_no_rows_prints_a_heading_and_is_not_executed() -> None:
    assert listed("table {{.ID}}", []) == "PET ID\n"
    assert listed("{{.Nope}}", []) == ""


def test_only_what_a_template_asks_for_is_made() -> None:
    def never() -> str:
        raise AssertionError

    assert listed("{{.ID}}", [row("1", "ox", never)]) == "1\n"


@pytest.mark.parametrize(
    ("format", "is_wanted"), [("{{.Size}}", True), ("{{json .}}", True), ("{{.ID}}", False), ("table", False)]
)
def test_what_costs_is_made_when_the_template_may_ask_for_it(format: str, is_wanted: bool) -> None:
    assert formats.wants(format, "Size") is is_wanted


CONTAINER = {"Id": "abc", "Name": "/web", "State": {"Status": "running", "Running": True, "Pid": 7, "ExitCode": 0},
             "Mounts": [], "Config": {"Labels": {"b": "2", "a": "1"}, "Cmd": ["a", "b"]}, "New": {"Key": 1},
             "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/udp": None}},
             }  # fmt: skip


def inspected(format: str, *names: str, kind: str = "container") -> tuple[int, str, str]:
    def find(name: str) -> dict[str, Any]:
        if name == "none":
            raise NotFound("No such container: none")
        return CONTAINER

    stdout, stderr = io.StringIO(), io.StringIO()
    code = formats.inspect(Output(stdout, stderr, {}), names or ("web",), find, format, kind)
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("{{.ID}}", "abc"),
        ("{{.Id}}", "abc"),
        ("{{.State.Status}}", "running"),
        ("{{.State.Pid}} {{eq .State.ExitCode 0}}", "7 true"),
        ("{{.State}}", "{running true false false false false 7 0    <nil>}"),
        ("{{json .State}}", '{"Status":"running","Running":true,"Pid":7,"ExitCode":0}'),
        ("{{.Config.Labels}} {{.Config.Labels.a}} {{.Config.Labels.x}}", "map[a:1 b:2] 1 <no value>"),
        ('{{index .Config.Labels "x"}}|', "|"),
        ('{{join .Config.Cmd " "}}', "a b"),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        ("{{range $p, $b := .NetworkSettings.Ports}}{{$p}}:{{range $b}}{{.HostPort}}{{else}}-{{end}} {{end}}",
         "80/tcp:8080 90/udp:- "),
        ("{{range $p, $b := .NetworkSettings.Ports}}{{$p.Port}}/{{$p.Proto}} {{end}}", "80/tcp 90/udp "),
        ("{{.NetworkSettings.Ports}}", "map[80/tcp:[{0.0.0.0 8080}] 90/udp:[]]"),
        ("{{if .State.Health}}yes{{else}}no{{end}}", "no"),
        ("{{.New.Key}}", "1"),
        (r"{{.Name}}\t", r"/web\t"),
        ("table {{.Name}}", "table /web"),
        ("{{len .Mounts}} {{.Mounts}} {{json .Mounts}}", "0 [] []"),
        ("{{.RestartCount}} {{.Platform}}|", "0 |"),
    ],
)  # fmt: skip
def test_inspect_knows_dockers_types(format: str, text: str) -> None:
    assert inspected(format) == (0, text + "\n", "")


def test_inspect_tells_at_the_end_what_failed() -> None:
    assert inspected("{{.Name}}", "web", "none") == (1, "/web\n", "Error: No such container: none\n")
    assert inspected("{{.Name}}", "none") == (1, "\n", "Error: No such container: none\n")
    for plain in ("json", ""):
        assert inspected(plain, "none") == (1, "[]\n", "Error: No such container: none\n")
    code, out, err = inspected("{{.State.Health.Status}}")
    assert (code, out) == (1, "\n")
    assert err.startswith(
        'template parsing error: template: :1:8: executing "" at <.State.Health.Status>: map has no entry for key '
        '"Health"\nhint: there are: .ExitCode .Pid .Running .Status'
    )


def test_a_template_that_is_none_ends_with_64_before_anything_is_looked_for() -> None:
    with pytest.raises(formats_error()) as caught:
        inspected("{{.Name", "none")
    assert caught.value.exit_code == 64
    assert str(caught.value) == "template parsing error: template: :1: unclosed action"


def formats_error() -> Any:
    from wherry.cli.formats_template import TemplateSyntaxError

    return TemplateSyntaxError


def test_types_only_when_asked_for() -> None:
    assert "can't evaluate field Id in type types.ContainerJSON" in inspected("{{.Id}}", kind="container!")[2]
    assert inspected("{{.Id}}", kind="")[1] == "abc\n"


def test_a_document() -> None:
    stdout = io.StringIO()
    out = Output(stdout, stdout, {})
    value = {"B": 1, "A": {"y": ["p", "q"], "x": None}}
    for format in ("json", "{{json .}}", "{{.A.x}} {{.B}}", '{{join .A.y "+"}}'):
        formats.document(out, value, format, "zoo.doc")
    lines = stdout.getvalue().splitlines()
    assert json.loads(lines[0]) == json.loads(lines[1]) == value
    assert lines[2:] == ["<no value> 1", "p+q"]
    with pytest.raises(TemplateError, match=r"^template: zoo:1:2: .* can't evaluate field C in type zoo\.doc$"):
        formats.document(out, value, "{{.C}}", "zoo.doc", name="zoo")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_values_cannot_steer_a_terminal_but_the_template_may() -> None:
    stdout = Terminal()
    rows = [row("1", "\x1b[31mred\nline\ttab")]
    formats.listing(Output(stdout, io.StringIO(), {}), PETS, rows, "\x1b[1m{{.Name}}")
    assert stdout.getvalue() == "\x1b[1m\ufffd[31mred\nline\ttab\n"
    assert listed("{{.Name}}", rows) == "\x1b[31mred\nline\ttab\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\tb\nccccccccccc\td\n", ["a             b", "ccccccccccc   d"]),
        ("a\tb\n\nccccccccccc\td\n", ["a         b", "", "ccccccccccc   d"]),
        ("a\tb\tc\n1\t2\n", ["a         b         c", "1         2"]),
        ("\t\tx\n", ["                    x"]),
        ("é\tx\n", ["é         x"]),
        ("alone", ["alone"]),
        ("", [""]),
    ],
)
def test_columns_are_aligned_as_tabwriter_does(text: str, lines: list[str]) -> None:
    assert aligned(text).removesuffix("\n").split("\n") == lines


def test_every_type_of_dockers_refers_to_types_that_are_there() -> None:
    from wherry.cli import gotypes
    from wherry.gotemplate.values import Struct, zero

    for name in gotypes._SCHEMA._members:
        type = gotypes._SCHEMA.type(name)
        names = [member.name for member in type.members()]
        assert names
        assert len(names) == len(set(names)), name
        assert isinstance(zero(type), Struct)
    assert set(gotypes.KINDS.values()) <= set(gotypes._SCHEMA._members)


@pytest.mark.parametrize("kind", ["container", "image", "network", "volume"])
@pytest.mark.parametrize("document", [
    {}, {"Id": None, "State": None, "Mounts": None, "Config": None}, {"State": "text", "Mounts": {}, "Labels": [1]},
    {"NetworkSettings": {"Ports": {"80": "x"}}, "IPAM": 3, "Created": 4, "Config": {"Healthcheck": {"Interval": "x"}}},
])  # fmt: skip
def test_a_document_that_fits_no_type_is_no_crash(kind: str, document: dict[str, Any]) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    for format in (
        "{{.}}", "{{json .}}", '{{printf "%+v %#v %q %d" . . . .}}', "{{.State.Status}}", "{{.Created.Year}}",
        "{{range .Mounts}}{{.}}{{end}}", "{{.Config.Healthcheck.Interval}}",
        "{{range .NetworkSettings.Ports}}{{.}}{{end}}",
    ):  # fmt: skip
        code = formats.inspect(Output(stdout, stderr, {}), ["x"], lambda name: document, format, kind)
        assert code in (0, 1)
