"""A workflow for GitHub Actions: .github/workflows/wherry.yml.

What comes from outside (a branch's name, a pull request's title) reaches a shell through `env` only, never through
`${{ }}` inside a script, where it would be code.
"""

from __future__ import annotations

from wherry.pipelines.model import Pipeline
from wherry.pipelines.words import build, deploy, install, join, scalar, verify

__all__ = ["PATH", "text"]

PATH = ".github/workflows/wherry.yml"

_HEAD = """\
# Written by `wherry ci github`; yours to change. What each line does: docs/ci.md of wherry.
name: image
on:
  push:
    branches: [{branch}]
  pull_request:

permissions:
  contents: read

# A newer commit of the same branch makes an older one's work needless; a deployment is never cut off
concurrency:
  group: image-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

env:
{names}  TAG: ${{{{ github.sha }}}}
  BRANCH: ${{{{ github.head_ref || github.ref_name }}}}

jobs:
  image:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
      packages: write        # ghcr.io: push the image and its cache
    outputs:
      image: ${{{{ steps.push.outputs.image }}}}
    steps:
      - uses: actions/checkout@v4
{lower}      - name: Install wherry
        run: sudo {install}
      - name: Lint the Dockerfile
        run: wherry lint {context}
      - name: Sign in to the registry
        # A pull request from a fork may read the cache and can't push
        run: echo "$PASSWORD" | sudo wherry login -u "$USERNAME" --password-stdin {registry}
        env:
{login}
      - name: Build, with the cache of the last build
        run: |
          # Each branch has a cache of its own, and begins with the main branch's. A tag has no slash: feature/x
          # has the cache feature-x
          branch=$(printf %s "$BRANCH" | tr -c 'A-Za-z0-9_.-' - | cut -c1-100)
          {build}
"""

# A repository may have capitals in its name; an image may not
_LOWER = """\
      - name: Name the image after the repository, in small letters
        run: |
          echo "IMAGE=ghcr.io/${GITHUB_REPOSITORY,,}" >> "$GITHUB_ENV"
          echo "CACHE=ghcr.io/${GITHUB_REPOSITORY,,}/cache" >> "$GITHUB_ENV"
"""

_VERIFY = """\
      - name: Verify what the model answers
        run: sudo {verify}
      - name: Keep the report
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: verify
          path: verify.xml
          if-no-files-found: ignore
"""

_PUSH = """\
      - name: Push, and say by which digest it is known
        id: push
        if: github.event_name == 'push'
        run: |
          sudo wherry push "$IMAGE:$TAG"
          image=$(sudo wherry image inspect --format '{{index .RepoDigests 0}}' "$IMAGE:$TAG")
          echo "image=$image" >> "$GITHUB_OUTPUT"
"""

_DEPLOY = """\

  deploy:
    needs: image
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    # Who must approve is set in the repository: Settings > Environments > {environment} > Required reviewers
    environment: {environment}
    concurrency: deploy-{slug}
    permissions:
      contents: read
      packages: read
{id_token}    steps:
      - uses: actions/checkout@v4
      - name: Install wherry
        run: {install}
      - name: Sign in to the registry
        run: echo "$PASSWORD" | wherry login -u "$USERNAME" --password-stdin {registry}
        env:
{login}
{sign_in}      - name: Deploy that very image, wait until it is healthy, verify it, or roll back
        run: {deploy}
        env:
          IMAGE: ${{{{ needs.image.outputs.image }}}}
"""

_OIDC = "      id-token: write        # a token for the cloud that lives for minutes; no key is stored\n"

_SIGN_IN = {
    "ecs": """\
      - uses: aws-actions/configure-aws-credentials@v4
        with:
          role-to-assume: ${{ vars.AWS_ROLE_ARN }}
          aws-region: ${{ vars.AWS_REGION }}
""",
    "cloudrun": """\
      - uses: google-github-actions/auth@v2
        with:
          workload_identity_provider: ${{ vars.GCP_WORKLOAD_IDENTITY_PROVIDER }}
          service_account: ${{ vars.GCP_SERVICE_ACCOUNT }}
""",
    "aca": """\
      - uses: azure/login@v2
        with:
          client-id: ${{ vars.AZURE_CLIENT_ID }}
          tenant-id: ${{ vars.AZURE_TENANT_ID }}
          subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}
""",
    "kubernetes": """\
      - name: The cluster's address and login
        run: |
          install -m 600 /dev/null "$RUNNER_TEMP/kubeconfig"
          printf '%s' "$KUBECONFIG_TEXT" > "$RUNNER_TEMP/kubeconfig"
          echo "KUBECONFIG=$RUNNER_TEMP/kubeconfig" >> "$GITHUB_ENV"
        env:
          KUBECONFIG_TEXT: ${{ secrets.KUBECONFIG }}
""",
    "compose-ssh": """\
      - name: The machine's host key, and the key that signs in there
        run: |
          install -d -m 700 ~/.ssh
          printf '%s\\n' "$KNOWN_HOSTS" >> ~/.ssh/known_hosts
          eval "$(ssh-agent -s)"
          printf '%s\\n' "$KEY" | ssh-add -q -
          echo "SSH_AUTH_SOCK=$SSH_AUTH_SOCK" >> "$GITHUB_ENV"
        env:
          KNOWN_HOSTS: ${{ vars.SSH_KNOWN_HOSTS }}
          KEY: ${{ secrets.SSH_KEY }}
""",
}


def text(pipeline: Pipeline) -> str:
    """The workflow, as YAML with remarks."""
    registry, login = _registry(pipeline)
    image = pipeline.image
    head = _HEAD.format(
        branch=scalar(pipeline.branch),
        names=f"  IMAGE: {scalar(image)}\n  CACHE: {scalar(f'{image}/cache')}\n" if image else "",
        lower="" if image else _LOWER,
        registry=registry,
        login=login,
        install=install(""),
        context=join([pipeline.context]),
        build=build(pipeline, sudo=True).replace("\n", "\n          "),
    )
    checked = _VERIFY.format(verify=verify(pipeline)) if pipeline.contract else ""
    return head + checked + _PUSH + _deployment(pipeline, registry, login)


def _deployment(pipeline: Pipeline, registry: str, login: str) -> str:
    cloud = pipeline.cloud
    if cloud is None:
        return ""
    return _DEPLOY.format(
        environment=scalar(pipeline.environment),
        slug=pipeline.environment.replace(" ", "-"),
        id_token=_OIDC if cloud.name in ("ecs", "cloudrun", "aca") else "",
        install=install(cloud.extra),
        registry=registry,
        login=login,
        sign_in=_SIGN_IN[cloud.name],
        deploy=deploy(pipeline),
    )


def _registry(pipeline: Pipeline) -> tuple[str, str]:
    """The registry's name for `login`, and where the login comes from."""
    registry = pipeline.image.partition("/")[0] or "ghcr.io"
    names = ("${{ vars.REGISTRY_USERNAME }}", "${{ secrets.REGISTRY_PASSWORD }}")
    if registry == "ghcr.io":
        names = ("${{ github.actor }}", "${{ secrets.GITHUB_TOKEN }}")
    return registry, f"          USERNAME: {names[0]}\n          PASSWORD: {names[1]}"
