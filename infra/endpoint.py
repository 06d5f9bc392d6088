"""The asynchronous SageMaker endpoint, which scales to zero when no song waits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import Aws, CfnCondition, CfnResource, Duration, RemovalPolicy
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.images import Images
from infra.nag import acknowledged, explained
from infra.names import bucket_name, stack_name
from infra.rights import Rights, allow, named
from infra.settings import Settings

VARIANT = "all"

BAKING_S = 600
"""How long the old instances stay after the new ones took over, in case the alarm goes off."""

AT_ONCE = 4
"""Songs sent to one instance at once: the container separates two, and two more are ready."""
DRIVER = "al2-ami-sagemaker-inference-gpu-3-1"
"""Machine image with a driver (550) that runs CUDA 12. The default one (470) doesn't."""
GRAPHICS = re.compile(r"ml\.[gp]\d")
"""Instance types with a graphics card, and so a driver to choose."""
BACKLOG = 4.0
"""Songs waiting per instance before another starts: a song takes less time than an instance to start."""
STARTUP_S = 900
"""More than an instance takes to start. A shorter time would start a second one for the first song."""
IDLE_S = 600
"""How long an idle instance stays."""


class Endpoint(Construct):
    """The endpoint. It has the stack's name, so functions know it before an image exists."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.name = stack_name(self)
        self.dimensions = {"EndpointName": self.name}
        # The metrics of invocations have these dimensions; those of the queue have only the endpoint's name.
        self.of_variant = {**self.dimensions, "VariantName": VARIANT}
        # The alarm that takes an update of the endpoint back.
        self.faults_alarm = f"{self.name}-endpoint-faults"
        self.succeeded, self.failed = self._topic("Succeeded"), self._topic("Failed")

    def dispatch(self, rights: Rights) -> Sequence[iam.PolicyStatement]:
        """Return the rights to dispatch a song."""
        arn = named("sagemaker", f"endpoint/{self.name}")
        return [allow(["sagemaker:InvokeEndpointAsync"], arn), rights.files("PutObject", "requests")]

    def run(
        self,
        image: CfnCondition,
        images: Images,
        tag: str,
        settings: Settings,
        environment: Mapping[str, str],
        work: Sequence[iam.PolicyStatement],
        rights: Rights,
    ) -> str:
        """Create the endpoint under the condition `image`; return its log group. `work`: rights to separate a song."""
        role = self._role(images, work, rights)
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=images.uri(tag),
                # SageMaker tells containers no region, unlike Lambda; boto3 reads this variable.
                environment={**environment, "AWS_DEFAULT_REGION": Aws.REGION},
            ),
        )
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=model.attr_model_name,
                    instance_type=settings.instance,
                    # One starts with each new image. If it can't, the stack rolls back to the old image.
                    initial_instance_count=1,
                    initial_variant_weight=1,
                    container_startup_health_check_timeout_in_seconds=600,
                    inference_ami_version=DRIVER if GRAPHICS.match(settings.instance) else None,
                )
            ],
            async_inference_config=sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty(
                client_config=sagemaker.CfnEndpointConfig.AsyncInferenceClientConfigProperty(
                    max_concurrent_invocations_per_instance=AT_ONCE
                ),
                output_config=sagemaker.CfnEndpointConfig.AsyncInferenceOutputConfigProperty(
                    s3_output_path=f"s3://{bucket_name(self)}/answers/done",
                    s3_failure_path=f"s3://{bucket_name(self)}/answers/failed",
                    notification_config=sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
                        success_topic=self.succeeded.topic_arn, error_topic=self.failed.topic_arn
                    ),
                ),
            ),
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.name,
            endpoint_config_name=config.attr_endpoint_config_name,
            deployment_config=self._rollback(),
        )
        self.endpoint = endpoint
        # Also without an image: the last lines of a stopping endpoint arrive after it is deleted.
        log = logs.CfnLogGroup(
            self, "Log", log_group_name=f"/aws/sagemaker/Endpoints/{self.name}", retention_in_days=30
        )
        log.apply_removal_policy(RemovalPolicy.DESTROY)
        endpoint.add_resource_dependency(log)
        for resource in (model, config, endpoint, *self._scaling(endpoint, settings.at_most)):
            resource.cfn_options.condition = image
        return log.ref

    def metric(
        self, name: str, statistic: str, period_s: int = 60, dimensions: Mapping[str, str] | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of the endpoint's queue, or with `of_variant` of its invocations."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map=dict(dimensions or self.dimensions),
            statistic=statistic,
            period=Duration.seconds(period_s),
        )

    def _rollback(self) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        """Keep the old instances for a while, and go back to them if songs fail on the new ones.

        SageMaker Developer Guide, "Use all at once traffic shifting" and "Auto-Rollback Configuration and Monitoring".
        """
        return sagemaker.CfnEndpoint.DeploymentConfigProperty(
            blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
                    type="ALL_AT_ONCE"
                ),
                termination_wait_in_seconds=BAKING_S,
            ),
            auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
                alarms=[sagemaker.CfnEndpoint.AlarmProperty(alarm_name=self.faults_alarm)]
            ),
        )

    def _topic(self, name: str) -> sns.Topic:
        topic = sns.Topic(self, name, topic_name=f"{self.name}-{name.lower()}", enforce_ssl=True)
        explained(
            topic,
            SNS2="SageMaker can't publish under AWS's own key; notifications hold session ids and S3 URIs.",
        )
        return topic

    def _role(self, images: Images, work: Sequence[iam.PolicyStatement], rights: Rights) -> iam.Role:
        streams = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        group = named("logs", f"log-group:/aws/sagemaker/Endpoints/{self.name}")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
            inline_policies={
                "rights": iam.PolicyDocument(
                    statements=[
                        *images.pull(),
                        # Not CreateLogGroup: late lines would create the deleted group again.
                        allow(streams, group, f"{group}:log-stream:*"),
                        allow(
                            ["cloudwatch:PutMetricData"],
                            "*",
                            StringEquals={"cloudwatch:namespace": "/aws/sagemaker/Endpoints"},
                        ),
                        # SageMaker looks at the alarm during an update, as this role.
                        allow(
                            ["cloudwatch:DescribeAlarms"], named("cloudwatch", f"alarm:{self.faults_alarm}")
                        ),
                        # The queue reads requests, writes answers and publishes notifications with this role.
                        rights.files("GetObject", "requests"),
                        rights.files("PutObject", "answers"),
                        allow(["sns:Publish"], self.succeeded.topic_arn, self.failed.topic_arn),
                        *work,
                    ]
                )
            },
        )
        acknowledged(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "An ECR token belongs to the account, and metrics are not resources: the statement names their namespace.",
        )
        acknowledged(
            role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:"
            f"log-group:/aws/sagemaker/Endpoints/{self.name}:log-stream:*]",
            "SageMaker names the log streams after its instances.",
        )
        return role

    def _scaling(self, endpoint: sagemaker.CfnEndpoint, at_most: int) -> list[CfnResource]:
        target = scaling.CfnScalableTarget(
            self,
            "Instances",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{VARIANT}",
            min_capacity=0,
            max_capacity=at_most,
        )
        backlog = scaling.CfnScalingPolicy(
            self,
            "Backlog",
            policy_name=f"{self.name}-backlog",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=BACKLOG,
                scale_in_cooldown=IDLE_S,
                scale_out_cooldown=300,
                customized_metric_specification=scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                    namespace="AWS/SageMaker",
                    metric_name="ApproximateBacklogSizePerInstance",
                    dimensions=[
                        scaling.CfnScalingPolicy.MetricDimensionProperty(name=name, value=value)
                        for name, value in self.dimensions.items()
                    ],
                    statistic="Average",
                ),
            ),
        )
        # Without an instance there is no backlog per instance. This policy starts the first one.
        wake = scaling.CfnScalingPolicy(
            self,
            "Wake",
            policy_name=f"{self.name}-wake",
            policy_type="StepScaling",
            scaling_target_id=target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Average",
                cooldown=STARTUP_S,
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(
                        metric_interval_lower_bound=0, scaling_adjustment=1
                    )
                ],
            ),
        )
        alarm = cloudwatch.CfnAlarm(
            self,
            "Waiting",
            alarm_name=f"{self.name}-wake",
            alarm_description="A song waits and no instance is running: starts one. This isn't a fault.",
            namespace="AWS/SageMaker",
            metric_name="HasBacklogWithoutCapacity",
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
                for name, value in self.dimensions.items()
            ],
            statistic="Average",
            period=60,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[wake.ref],
        )
        return [target, backlog, wake, alarm]
