"""The role of training jobs (`unbraid finetune --aws`). The command creates the jobs; a role costs nothing."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.images import Images
from infra.nag import acknowledged
from infra.names import stack_name
from infra.rights import Rights, allow, named
from unbraid.aws.training.names import FOLDER, LOG_GROUP


class Training(Construct):
    """SageMaker itself uses the role: it pulls the image, copies files and writes the log.

    Jobs run with network isolation, so the container gets no credentials.
    """

    def __init__(self, scope: Construct, name: str, images: Images, rights: Rights) -> None:
        super().__init__(scope, name)
        # Jobs of the whole account share this log, and the command creates it. So CreateLogGroup isn't needed.
        group, streams = named("logs", f"log-group:{LOG_GROUP}"), f"log-stream:{stack_name(self)}-*"
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            inline_policies={
                "rights": iam.PolicyDocument(
                    statements=[
                        *images.pull(),
                        rights.files("GetObject", FOLDER),
                        rights.files("PutObject", FOLDER),
                        rights.list_files(f"{FOLDER}/*"),
                        allow(["logs:DescribeLogStreams"], group),
                        allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:{streams}"),
                        allow(
                            ["cloudwatch:PutMetricData"],
                            "*",
                            StringEquals={"cloudwatch:namespace": LOG_GROUP},
                        ),
                    ]
                )
            },
        )
        acknowledged(
            self.role,
            "AwsSolutions-IAM5[Resource::*]",
            "An ECR token belongs to the account, and metrics are not resources: the statement names their namespace.",
        )
        acknowledged(
            self.role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:"
            f"log-group:{LOG_GROUP}:{streams}]",
            "SageMaker names the log streams after its jobs, whose names begin with that of the stack.",
        )
