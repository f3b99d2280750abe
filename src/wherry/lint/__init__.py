"""Rules over a Dockerfile and the project around it: BuildKit's checks, hadolint's rules, and those for AI images.

    subject = Subject.parse(data, "Dockerfile")           raises DockerfileError, as a build does
    report = run(subject, load(), Choice())               findings in the order of the file
    text, fixed = fix(subject.text, report.findings)      what --fix makes of it

A rule is one value of the type `Rule`; `ruleset.load` finds all that stand in the modules of a family's package.
"""
