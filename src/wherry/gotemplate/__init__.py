"""Go's text/template, as docker's --format and -f use it.

    template = Template.parse("{{range .Names}}{{upper .}} {{end}}")
    template.execute({"Names": ["a", "b"]})                       # "A B "

Text goes through `lexer` (tokens), `parser` (frozen nodes), `execute` (the evaluator, with `functions` and
`dockerfuncs`) and `printing` (Go's fmt). A template works on plain Python values as JSON gives them, or on those of
`values`, which know their Go type. It can reach nothing else: no attribute, no function that is not in the tables.

Messages, down to line and column, are those of Go 1.24, which docker 26.1 is built with.
Spec: https://pkg.go.dev/text/template@go1.24.4 and https://docs.docker.com/engine/cli/formatting/
"""

from __future__ import annotations

from wherry.gotemplate.template import Template, TemplateError

__all__ = ["Template", "TemplateError"]
