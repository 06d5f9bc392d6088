"""Notifications when a song is done: e-mail by SES if there is a sender, and an SNS topic."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.rights import allow, named
from infra.settings import STACK


class Notifications(Construct):
    """SES sends `sender` one e-mail to confirm the address."""

    def __init__(self, scope: Construct, name: str, sender: str | None) -> None:
        super().__init__(scope, name)
        self.sender = sender
        if sender is not None:
            ses.EmailIdentity(self, "Sender", identity=ses.Identity.email(sender))
        self.topic = sns.Topic(self, "Ended", topic_name=f"{STACK}-ended", enforce_ssl=True)
        topic = self.topic.node.default_child
        assert isinstance(topic, sns.CfnTopic)
        # The AWS-managed key of SNS is free, and every publisher may use it.
        topic.kms_master_key_id = "alias/aws/sns"

    def send(self) -> Sequence[iam.PolicyStatement]:
        """Return the rights to send notifications."""
        rights = [allow(["sns:Publish"], self.topic.topic_arn)]
        if self.sender is not None:
            identity = named("ses", f"identity/{self.sender}")
            rights.append(allow(["ses:SendEmail"], identity, StringEquals={"ses:FromAddress": self.sender}))
        return rights
