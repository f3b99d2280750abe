"""AWS: a service of ECS on Fargate behind a load balancer, or an Express service, each as one CloudFormation stack.

Pure: `sizes`, `validate`, `task`, `roles`, `template`, `express`, `changes`. The rest talks to AWS through `aws.Aws`.
Why a stack, and what is outside of it: docs/adr/0280.
"""

from wherry.deploy.ecs.target import EcsTarget

__all__ = ["EcsTarget"]
