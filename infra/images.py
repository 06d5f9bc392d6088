"""The container image: its repository, and the CodeBuild project that builds it from the uploaded source."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.log_groups import log_group
from infra.nag import acknowledged, explained
from infra.names import stack_name
from infra.rights import allow, named
from unbraid.aws.training.names import IMAGE_PREFIX

COMPUTE = "BUILD_GENERAL1_LARGE"
"""8 processors, 15 GB, 128 GB of disk, paid per minute of building."""
TRAINING_DAYS = 30
"""Lifetime of an image for training that is kept for the next one."""


class Images(Construct):
    """`source`: zip to build from. `tag`: tag of the resulting image, CONTENT-gpu or CONTENT-cpu.

    `models`: models that the build downloads into the image, and bags of them.
    """

    def __init__(
        self, scope: Construct, name: str, source: assets.Asset, tag: str, models: Sequence[str]
    ) -> None:
        super().__init__(scope, name)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=stack_name(self),
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            empty_on_delete=True,
            removal_policy=RemovalPolicy.DESTROY,
            # A rule that counts images would delete the running one after some that failed to start. The build deletes
            # old images instead, because it knows which one runs. Each costs about ten cents a month per GB.
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="unfinished uploads",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(1),
                ),
                # Never the tag of an image that separates songs.
                ecr.LifecycleRule(
                    description="images for training that were kept",
                    tag_status=ecr.TagStatus.TAGGED,
                    tag_prefix_list=[IMAGE_PREFIX],
                    max_image_age=Duration.days(TRAINING_DAYS),
                ),
            ],
        )
        self.tag = tag
        log = log_group(self, f"/aws/codebuild/{stack_name(self)}")
        variables = {
            "REPOSITORY": self.repository.repository_uri,
            "IMAGE_TAG": self.tag,
            "STACK": stack_name(self),
            "MODELS": " ".join(models),
            "DEVICE": tag.rpartition("-")[2],
        }
        project = codebuild.CfnProject(
            self,
            "Build",
            name=stack_name(self),
            description="Tests and builds the image, and switches the stack to it",
            service_role=self._role(log, source).role_arn,
            source=codebuild.CfnProject.SourceProperty(
                type="S3", location=f"{source.s3_bucket_name}/{source.s3_object_key}"
            ),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=codebuild.CfnProject.EnvironmentProperty(
                type="LINUX_CONTAINER",
                image="aws/codebuild/standard:7.0",
                compute_type=COMPUTE,
                privileged_mode=True,
                environment_variables=[
                    codebuild.CfnProject.EnvironmentVariableProperty(name=name, value=value)
                    for name, value in variables.items()
                ],
            ),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log.log_group_name
                )
            ),
            # The AWS-managed key of S3 is free.
            encryption_key=named("kms", "alias/aws/s3"),
            # No concurrent_build_limit: CodeBuild refuses a limit above the account's, which is 0 in new accounts.
            timeout_in_minutes=90,
            queued_timeout_in_minutes=60,
        )
        explained(project, CB3="Docker runs in the build and needs privileged mode.")
        self.project = project

    def uri(self, tag: str) -> str:
        """Return the URI of the image with that tag."""
        return f"{self.repository.repository_uri}:{tag}"

    def pull(self) -> list[iam.PolicyStatement]:
        """Return the rights to pull the image."""
        layers = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        return [
            allow(layers, self.repository.repository_arn),
            allow(["ecr:GetAuthorizationToken"], "*"),
        ]

    def _role(self, log: logs.LogGroup, source: assets.Asset) -> iam.Role:
        push = ["CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"]
        clean_up = ["BatchDeleteImage", "ListImages"]
        object_arn = f"arn:{Aws.PARTITION}:s3:::{source.s3_bucket_name}/{source.s3_object_key}"
        stack = named("cloudformation", f"stack/{stack_name(self)}/*")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
            inline_policies={
                "rights": iam.PolicyDocument(
                    statements=[
                        allow(["logs:CreateLogStream", "logs:PutLogEvents"], log.log_group_arn),
                        allow(["s3:GetObject", "s3:GetObjectVersion"], object_arn),
                        *self.pull(),
                        allow(
                            [f"ecr:{action}" for action in (*push, *clean_up)], self.repository.repository_arn
                        ),
                        # CloudFormation makes the changes with the role that deployed the stack.
                        allow(["cloudformation:DescribeStacks", "cloudformation:UpdateStack"], stack),
                    ]
                )
            },
        )
        acknowledged(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "An ECR token belongs to the account; the other statements limit what it opens.",
        )
        acknowledged(
            role,
            f"AwsSolutions-IAM5[Resource::{stack_finding(stack_name(self))}]",
            "AWS appends a random id to the stack's name in its ARN.",
        )
        return role


def stack_finding(stack: str) -> str:
    """Return the stack's ARN as cdk-nag writes it."""
    partition, region, account = "<AWS::Partition>", "<AWS::Region>", "<AWS::AccountId>"
    return f"arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/*"
