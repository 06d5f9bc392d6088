"""Monitoring: one dashboard, a few alarms, and a budget.

An alarm costs ten cents a month after the account's first ten, so each alarm covers several causes instead of one
function. Errors of functions that answer calls show as errors of the API. Errors of background functions end in the
dead-letter queue after a few retries.
"""

from __future__ import annotations

from aws_cdk import Aws, CfnCondition, CfnResource, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.budget import budget
from infra.canary import NAME as CANARY
from infra.cpu import Cpu
from infra.endpoint import GRAPHICS, Endpoint
from infra.http_api import HttpApi
from infra.nag import explained
from infra.names import namespace, stack_name
from infra.rights import named
from infra.settings import STACK, Settings
from unbraid.aws.rollout import ALIAS, FAULTS, SERVICE

BACKLOG_AGE_S = 30 * 60
"""An instance starts within ten minutes; after three times that something is wrong."""
NO_CAPACITY_MIN = 20
AWAKE_H = 12
"""An instance that runs this long either has much to do or should have stopped."""


class Monitoring(Construct):
    """Alarms and the budget publish to a topic, which sends e-mail to `settings.alarms`. Both exist without it too."""

    def __init__(self, scope: Construct, name: str, settings: Settings) -> None:
        super().__init__(scope, name)
        self.settings = settings
        self.topic = sns.Topic(self, "Alarms", topic_name=f"{stack_name(self)}-alarms", enforce_ssl=True)
        explained(
            self.topic,
            SNS2="CloudWatch can't publish under AWS's own key; the messages hold only names of alarms.",
        )
        self._allow_publish("cloudwatch.amazonaws.com", named("cloudwatch", f"alarm:{stack_name(self)}-*"))
        self.alarms: list[cloudwatch.Alarm] = []
        self.rows: list[list[cloudwatch.IWidget]] = []
        self._allow_publish("budgets.amazonaws.com", f"arn:{Aws.PARTITION}:budgets::{Aws.ACCOUNT_ID}:*")
        budget(self, settings.budget, self.topic)
        if settings.alarms is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarms))

    def api(self, http: HttpApi) -> None:
        """Watch API calls that fail with an internal error."""
        minutes = Duration.minutes(5)
        faults = http.stage.metric_server_error(period=minutes, statistic="Sum")
        self._alarm("api-faults", faults, 1, "Calls of the HTTP API are answered with 500 or above.")
        # The API's own metric also counts callers who were rightly refused. This one is the function's.
        socket = self._metric(namespace(self), "Faults", "Sum", {"service": "connect"})
        self._alarm(
            "socket-faults",
            socket,
            1,
            "Pages can't connect to the WebSocket, or don't receive the first status.",
        )
        self._row(
            "Calls",
            [
                http.stage.metric_count(period=minutes, statistic="Sum"),
                http.stage.metric_client_error(period=minutes, statistic="Sum"),
                faults,
            ],
            "Latency",
            [http.stage.metric_latency(period=minutes, statistic=at) for at in ("p50", "p95", "p99")],
        )

    def functions(self, names: list[str], dead_letters: sqs.Queue) -> None:
        """Watch errors of the functions, and the dead-letter queue."""
        failed = dead_letters.metric_approximate_number_of_messages_visible(
            period=Duration.minutes(5), statistic="Maximum"
        )
        self._alarm(
            "dead-letters", failed, 1, "A message failed several times and is in the dead-letter queue."
        )
        self._row(
            "Errors of functions",
            [self._of_function(name, "Errors", "Sum") for name in names],
            "Duration of functions",
            [self._of_function(name, "Duration", "p95") for name in names],
        )

    def endpoint(self, endpoint: Endpoint) -> None:
        """Watch the endpoint's queue and instances."""
        oldest = endpoint.metric("ApproximateAgeOfOldestRequest", "Maximum", 300)
        self._alarm("backlog-age", oldest, BACKLOG_AGE_S, "A song has been waiting for half an hour.")
        stuck = endpoint.metric("HasBacklogWithoutCapacity", "Minimum", 60)
        self._alarm(
            "no-instance",
            stuck,
            1,
            "Songs wait and no instance starts: the quota is 0, or AWS has none of this type left.",
            periods=NO_CAPACITY_MIN,
        )
        faults = endpoint.metric("Invocation5XXErrors", "Sum", 300, endpoint.of_variant)
        alarm = self._alarm("endpoint-faults", faults, 1, "The container failed with an internal error.")
        # An update of the endpoint names the alarm, and fails if it doesn't exist.
        endpoint.endpoint.node.add_dependency(alarm)
        # Each running instance publishes these once a minute.
        awake = self._of_instances(endpoint, "CPUUtilization", "SampleCount", Duration.hours(1))
        self._alarm("awake", awake, 1, f"Instances have been up for {AWAKE_H} hours.", periods=AWAKE_H)
        self._row(
            "Songs in the queue",
            [endpoint.metric("ApproximateBacklogSize", "Maximum"), oldest],
            "Instance minutes per hour",
            [awake],
        )
        self._row(
            "Ended",
            [
                endpoint.metric(name, "Sum", 300)
                for name in ("InvocationsProcessed", "InvocationFailures", "ExpiredRequests")
            ],
            "Time per song in the queue",
            [endpoint.metric("TotalProcessingTime", at, 300) for at in ("p50", "p95")],
        )
        # SageMaker publishes the first two only for instances with a graphics card (Developer Guide, "Amazon SageMaker
        # AI metrics in Amazon CloudWatch"). Without one, its graph stays empty, so it isn't drawn.
        processor: list[cloudwatch.IMetric] = [
            self._of_instances(endpoint, name, "Average") for name in ("CPUUtilization", "MemoryUtilization")
        ]
        if GRAPHICS.match(self.settings.instance):
            self._row(
                "Graphics card (%)",
                [
                    self._of_instances(endpoint, name, "Average")
                    for name in ("GPUUtilization", "GPUMemoryUtilization")
                ],
                "Processor and memory (%)",
                processor,
            )

    def cpu(self, cpu: Cpu, image: CfnCondition) -> None:
        """Watch the queue and the function that separates songs."""
        oldest = cpu.queue.metric_approximate_age_of_oldest_message(
            period=Duration.minutes(5), statistic="Maximum"
        )
        self._alarm("backlog-age", oldest, BACKLOG_AGE_S, "A song has been waiting for half an hour.")
        faults = self._of_alias(cpu, "Errors", "Sum")
        self._alarm(
            "separate-faults", faults, 1, "The function that separates songs failed with an internal error."
        )
        self._row(
            "Songs in the queue",
            [cpu.queue.metric_approximate_number_of_messages_visible(), oldest],
            "Time per song",
            [self._of_alias(cpu, "Duration", at) for at in ("p50", "p95")],
        )
        self._new_image(cpu, image)

    def _new_image(self, cpu: Cpu, image: CfnCondition) -> None:
        """Watch the newest version, apart from the old one: a new image can replace one on which songs fail.

        Two alarms, because a sum of metrics is missing while one of them has never been sent. They exist only with an
        image, so the dashboard can't name them.
        """
        version, minute = cpu.rollout.version.attr_version, Duration.minutes(1)
        errors = self._of_alias(cpu, "Errors", "Sum", minute, {"ExecutedVersion": version})
        dimensions = {"service": SERVICE, "version": version}
        faults = self._metric(namespace(self), FAULTS, "Sum", dimensions, minute)
        for alarm in (
            self._alarm(
                "new-image-errors",
                errors,
                1,
                "The function stopped with an error on a new image.",
                listed=False,
            ),
            self._alarm(
                "new-image-faults",
                faults,
                1,
                "Songs failed with an internal error on a new image.",
                listed=False,
            ),
        ):
            resource = alarm.node.default_child
            assert isinstance(resource, CfnResource)
            resource.cfn_options.condition = image
            cpu.rollout.group.add_resource_dependency(resource)

    def email(self, refused: cloudwatch.IMetric) -> None:
        """Watch e-mails that SES refuses."""
        self._alarm("email-refused", refused, 1, "SES refused to send an e-mail, for example in its sandbox.")

    def canary(self) -> None:
        """Watch the canary."""
        failed = self._of_function(CANARY, "Errors", "Sum")
        self._alarm("canary", failed, 1, "A second of sound could not be separated through the public API.")

    def dashboard(self) -> None:
        """Create the dashboard. Call this last."""
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=stack_name(self),
            default_interval=Duration.days(1),
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(self.alarms), width=24)],
                *self.rows,
            ],
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        periods: int = 1,
        listed: bool = True,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name.title().replace("-", ""),
            alarm_name=f"{stack_name(self)}-{name}",
            alarm_description=f"{description} What to do: docs/aws-runbook.md#{STACK}-{name}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        if listed:
            self.alarms.append(alarm)
        return alarm

    def _of_function(self, name: str, metric: str, statistic: str) -> cloudwatch.Metric:
        return self._metric("AWS/Lambda", metric, statistic, {"FunctionName": f"{stack_name(self)}-{name}"})

    def _of_alias(
        self,
        cpu: Cpu,
        metric: str,
        statistic: str,
        period: Duration | None = None,
        version: dict[str, str] | None = None,
    ) -> cloudwatch.Metric:
        """Return a metric of the calls of the function that separates, of all versions or of one."""
        dimensions = {"FunctionName": cpu.function_name, "Resource": f"{cpu.function_name}:{ALIAS}"}
        return self._metric("AWS/Lambda", metric, statistic, dimensions | (version or {}), period)

    def _of_instances(
        self, endpoint: Endpoint, metric: str, statistic: str, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return a metric that the endpoint's instances publish."""
        return self._metric("/aws/sagemaker/Endpoints", metric, statistic, endpoint.of_variant, period)

    def _metric(
        self,
        namespace: str,
        name: str,
        statistic: str,
        dimensions: dict[str, str],
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            statistic=statistic,
            dimensions_map=dimensions,
            period=period or Duration.minutes(5),
            label=dimensions.get("FunctionName"),
        )

    def _row(
        self, title: str, left: list[cloudwatch.IMetric], second: str, right: list[cloudwatch.IMetric]
    ) -> None:
        """Add two graphs side by side."""
        graphs = ((title, left), (second, right))
        self.rows.append(
            [cloudwatch.GraphWidget(title=title, left=metrics, width=12) for title, metrics in graphs]
        )

    def _allow_publish(self, service: str, source: str) -> None:
        """Allow a service to publish to the topic. Its policy requires TLS and replaces the default that allows all."""
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "ArnLike": {"aws:SourceArn": source},
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                },
            )
        )
