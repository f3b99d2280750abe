"""A pipeline for GitLab: .gitlab-ci.yml."""

from __future__ import annotations

import re

from wherry.pipelines.model import Pipeline
from wherry.pipelines.words import build, deploy, install, join, scalar, verify

__all__ = ["PATH", "text"]

PATH = ".gitlab-ci.yml"

_HEAD = """\
# Written by `wherry ci gitlab`; yours to change. What each line does: docs/ci.md of wherry.
# The runner of the job `image` must be allowed to mount (privileged = true), as for docker in docker.
stages: [image{deploy_stage}]

variables:
  IMAGE: {image}
  TAG: $CI_COMMIT_SHA
  # Each branch has a cache of its own, and begins with the main branch's
  CACHE: {cache}

# A branch with a merge request has one pipeline, not two
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS
      when: never
    - if: $CI_COMMIT_BRANCH

.wherry:
  image: python:3.13
  before_script:
    - apt-get update && apt-get install -y --no-install-recommends runc nftables iproute2
    - {install}
    - echo "{password}" | wherry login -u "{username}" --password-stdin {registry}

image:
  extends: .wherry
  stage: image
  script:
    - wherry lint {context}
    - |
      {build}
"""

_VERIFY = """\
    - {verify}
"""

_PUSH = """\
    - wherry push "$IMAGE:$TAG"
    # By which digest it is known: what is deployed is what was verified
    - echo "DIGEST=$(wherry image inspect --format '{{{{index .RepoDigests 0}}}}' "$IMAGE:$TAG")" > image.env
  artifacts:
    reports:
      dotenv: image.env
"""

_JUNIT = "      junit: verify.xml\n"

_DEPLOY = """\

deploy:
  extends: .wherry
  stage: deploy
  needs: [image]
  # Somebody starts it by hand: who may, is set in Settings > CI/CD > Protected environments
  rules:
    - if: $CI_COMMIT_BRANCH == "{branch}"
      when: manual
  environment:
    name: {environment}
  # One deployment at a time
  resource_group: {slug}
  interruptible: false
{sign_in}  script:
{prepare}    # That very image: wait until it is healthy, verify it, or roll back
    - {deploy}
"""

_ID = """\
  id_tokens:
    CLOUD_ID:             # a token that lives for minutes; no key is stored
      aud: {audience}
"""

# target -> (of the job, first lines of its script)
_SIGN_IN = {
    "ecs": (
        _ID.format(audience="sts.amazonaws.com")
        + "  # AWS_ROLE_ARN and AWS_REGION: CI/CD variables of the project\n"
        + "  variables:\n    AWS_WEB_IDENTITY_ID_FILE: /tmp/cloud-token\n",
        "    - (umask 077; printf '%s' \"$CLOUD_ID\" > /tmp/cloud-token)\n",
    ),
    "cloudrun": (
        "  # GOOGLE_APPLICATION_CREDENTIALS: a CI/CD variable of type File (workload identity, or a key)\n",
        "",
    ),
    "aca": (
        _ID.format(audience="api://AzureADTokenExchange")
        + "  # AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_SUBSCRIPTION_ID: CI/CD variables of the project\n"
        + "  variables:\n    AZURE_FEDERATED_TOKEN_FILE: /tmp/cloud-token\n",
        "    - (umask 077; printf '%s' \"$CLOUD_ID\" > /tmp/cloud-token)\n",
    ),
    "kubernetes": ("  # KUBECONFIG: a CI/CD variable of type File\n", ""),
    "compose-ssh": (
        "  # SSH_KEY and SSH_KNOWN_HOSTS: CI/CD variables of type File\n",
        "    - apt-get install -y --no-install-recommends openssh-client\n"
        "    - install -d -m 700 ~/.ssh\n"
        '    - cat "$SSH_KNOWN_HOSTS" >> ~/.ssh/known_hosts\n'
        '    - eval "$(ssh-agent -s)"\n'
        '    - ssh-add -q - < "$SSH_KEY"\n',
    ),
}


def text(pipeline: Pipeline) -> str:
    """The pipeline, as YAML with remarks."""
    own = not pipeline.image
    cloud = pipeline.cloud
    head = _HEAD.format(
        deploy_stage=", deploy" if cloud else "",
        image=scalar(pipeline.image) if pipeline.image else "$CI_REGISTRY_IMAGE",
        cache=scalar(f"{pipeline.image}/cache") if pipeline.image else "$CI_REGISTRY_IMAGE/cache",
        install=_install(pipeline),
        username="$CI_REGISTRY_USER" if own else "$REGISTRY_USERNAME",
        password="$CI_REGISTRY_PASSWORD" if own else "$REGISTRY_PASSWORD",
        registry='"$CI_REGISTRY"' if own else pipeline.image.partition("/")[0],
        context=join([pipeline.context]),
        build=build(pipeline, sudo=False, branch="$CI_COMMIT_REF_SLUG", main=_slug(pipeline.branch)).replace(
            "\n", "\n      "
        ),
    )
    done = [head]
    if pipeline.contract:
        done.append(_VERIFY.format(verify=verify(pipeline)))
    done.append(_PUSH.format())
    if pipeline.contract:
        done.append(_JUNIT)
    if cloud:
        sign_in, prepare = _SIGN_IN[cloud.name]
        done.append(
            _DEPLOY.format(
                branch=pipeline.branch,
                environment=scalar(pipeline.environment),
                slug=scalar(pipeline.environment.replace(" ", "-")),
                sign_in=sign_in,
                prepare=prepare,
                deploy=deploy(pipeline).replace("$IMAGE", "$DIGEST"),
            )
        )
    return "".join(done)


def _slug(branch: str) -> str:
    """$CI_COMMIT_REF_SLUG of a branch: https://docs.gitlab.com/ci/variables/predefined_variables/"""
    return re.sub(r"[^a-z0-9]", "-", branch.lower())[:63].strip("-")


def _install(pipeline: Pipeline) -> str:
    extra = pipeline.cloud.extra if pipeline.cloud else ""
    return install(extra).replace(" --break-system-packages", "")
