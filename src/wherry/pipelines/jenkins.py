"""A declarative pipeline for Jenkins: Jenkinsfile."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.pipelines.model import Pipeline
from wherry.pipelines.words import build, deploy, join, verify

__all__ = ["PATH", "text"]

PATH = "Jenkinsfile"

_HEAD = """\
// Written by `wherry ci jenkins`; yours to change. What each line does: docs/ci.md of wherry.
// The agent needs Python 3.11, runc, nftables and iproute2; `wherry doctor` says what it lacks.
pipeline {{
  agent any
  options {{
    disableConcurrentBuilds()
    timeout(time: 1, unit: 'HOURS')
  }}
  environment {{
    IMAGE = '{image}'
    TAG = "${{env.GIT_COMMIT}}"
    // Each branch has a cache of its own, and begins with the main branch's
    CACHE = '{image}/cache'
    PATH = "${{env.WORKSPACE}}/.wherry/bin:${{env.PATH}}"
  }}
  stages {{
    stage('Install') {{
      steps {{
        sh 'python3 -m venv .wherry && .wherry/bin/pip install {package}'
      }}
    }}
    stage('Lint') {{
      steps {{
        sh 'wherry lint {context}'
      }}
    }}
    stage('Build') {{
      steps {{
        // A login of Jenkins: Manage Jenkins > Credentials, kind "Username with password", id "registry"
        withCredentials([usernamePassword(
            credentialsId: 'registry', usernameVariable: 'USERNAME', passwordVariable: 'PASSWORD')]) {{
          sh 'echo "$PASSWORD" | wherry login -u "$USERNAME" --password-stdin {registry}'
        }}
        sh '''
          branch=$(printf %s "${{CHANGE_BRANCH:-$BRANCH_NAME}}" | tr -c 'A-Za-z0-9_.-' - | cut -c1-100)
          {build}
        '''
      }}
    }}
"""

_VERIFY = """\
    stage('Verify') {{
      steps {{
        sh '{verify}'
      }}
      post {{
        always {{
          junit allowEmptyResults: true, testResults: 'verify.xml'
        }}
      }}
    }}
"""

_PUSH = """\
    stage('Push') {{
      when {{ not {{ changeRequest() }} }}
      steps {{
        sh 'wherry push "$IMAGE:$TAG"'
        script {{
          // By which digest it is known: what is deployed is what was verified
          env.DIGEST = sh(returnStdout: true, script: '''
            wherry image inspect --format '{{{{index .RepoDigests 0}}}}' "$IMAGE:$TAG"
          ''').trim()
        }}
      }}
    }}
"""

_DEPLOY = """\
    stage('Deploy') {{
      when {{ branch '{branch}' }}
      // Who may approve: submitter: 'NAME,GROUP'
      input {{
        message 'Deploy to {environment}?'
      }}
      steps {{
        // That very image: wait until it is healthy, verify it, or roll back
        {open}
          sh '{deploy}'
        }}
      }}
    }}
"""

_TAIL = """\
  }
}
"""

_OPEN = {
    "ecs": "withCredentials([[$class: 'AmazonWebServicesCredentialsBinding', credentialsId: 'aws']]) {",
    "cloudrun": "withCredentials([file(credentialsId: 'gcp', variable: 'GOOGLE_APPLICATION_CREDENTIALS')]) {",
    "aca": "withCredentials([azureServicePrincipal('azure')]) {",
    "kubernetes": "withCredentials([file(credentialsId: 'kubeconfig', variable: 'KUBECONFIG')]) {",
    "compose-ssh": "sshagent(['machine']) {",
}


def text(pipeline: Pipeline) -> str:
    """The Jenkinsfile. Raises: InputError when no repository is named: Jenkins has no registry of its own."""
    if not pipeline.image:
        raise InputError(
            "Jenkins has no registry of its own: the pipeline must be told where images go",
            hint="--image REGISTRY/NAME, as --image registry.example.com/team/api",
        )
    cloud = pipeline.cloud
    head = _HEAD.format(
        image=pipeline.image,
        package=f'"wherry[{cloud.extra}]"' if cloud and cloud.extra else "wherry",
        context=join([pipeline.context]),
        registry=pipeline.image.partition("/")[0],
        # Groovy reads the backslash of ''' before the shell does
        build=build(pipeline, sudo=False).replace("\\", "\\\\").replace("\n", "\n          "),
    )
    done = [head]
    if pipeline.contract:
        done.append(_VERIFY.format(verify=verify(pipeline)))
    done.append(_PUSH.format())
    if cloud:
        done.append(
            _DEPLOY.format(
                branch=pipeline.branch,
                environment=pipeline.environment,
                open=_OPEN[cloud.name],
                deploy=deploy(pipeline).replace("$IMAGE", "$DIGEST"),
            )
        )
    return "".join(done) + _TAIL
