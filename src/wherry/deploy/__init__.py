"""From an image to a running service: one model of an application, one module a target (docs/dev/architecture.md).

`application` says what runs, `target` what a target is, `plan` what would be done, `targets` finds them by name.
"""
