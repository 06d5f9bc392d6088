"""Notifications when a song is done: e-mail by SES if there is a sender, and an SNS topic."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.nag import acknowledged
from infra.names import namespace, stack_name
from infra.rights import allow, named
from unbraid.aws.email import NOT_SENT


def webhook_secret(proxy_secret: str) -> str:
    """Return the secret that signs webhooks. It stays the same as long as the stack, like `proxy_secret`."""
    return hmac.new(proxy_secret.encode(), b"webhooks", hashlib.sha256).hexdigest()


class Notifications(Construct):
    """SES sends `sender` one e-mail to confirm the address."""

    def __init__(self, scope: Construct, name: str, sender: str | None) -> None:
        super().__init__(scope, name)
        self.sender = sender
        if sender is not None:
            ses.EmailIdentity(self, "Sender", identity=ses.Identity.email(sender))
            acknowledged(
                Stack.of(self),
                "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:identity/*]",
                "SES checks the sender's domain and, in its sandbox, the recipient too; a condition fixes the sender.",
            )
        self.topic = sns.Topic(self, "Ended", topic_name=f"{stack_name(self)}-ended", enforce_ssl=True)
        topic = self.topic.node.default_child
        assert isinstance(topic, sns.CfnTopic)
        # The AWS-managed key of SNS is free, and every publisher may use it.
        topic.kms_master_key_id = "alias/aws/sns"

    def send(self) -> Sequence[iam.PolicyStatement]:
        """Return the rights to send notifications."""
        rights = [allow(["sns:Publish"], self.topic.topic_arn)]
        if self.sender is not None:
            # SendEmail of SES v2 needs the right SendRawEmail for a whole message, which we send.
            send, identities = ["ses:SendEmail", "ses:SendRawEmail"], named("ses", "identity/*")
            rights.append(allow(send, identities, StringEquals={"ses:FromAddress": self.sender}))
        return rights

    def count_refusals(self, log_groups: Mapping[str, str]) -> cloudwatch.Metric:
        """Count e-mails that SES refused, in these logs (id -> name) of the processes that send them."""
        metric = "EmailsRefused"
        for process, name in log_groups.items():
            logs.CfnMetricFilter(
                self,
                f"Refused{process}",
                log_group_name=name,
                filter_pattern=f'{{ $.event = "{NOT_SENT}" }}',
                metric_transformations=[
                    logs.CfnMetricFilter.MetricTransformationProperty(
                        metric_namespace=namespace(self), metric_name=metric, metric_value="1"
                    )
                ],
            )
        return cloudwatch.Metric(
            namespace=namespace(self), metric_name=metric, statistic="Sum", period=Duration.minutes(5)
        )
