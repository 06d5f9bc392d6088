"""Application Auto Scaling of an asynchronous endpoint, by the policies and alarms of a template.

After https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html: a target for the backlog per
instance, which adds instances after 3 minutes above it and takes them away after 15 minutes below, and a step of its
own for a backlog without any instance.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.aws.template import Template

OUT_AFTER, IN_AFTER = 3, 15  # minutes of target tracking
_COMPARES = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
}


@dataclass
class Scaling:
    """How many instances there should be."""

    least: int
    most: int
    target: float | None
    steps: list[dict[str, Any]]
    """Alarms that start a step policy: the alarm's properties, and the policy's under `step`."""
    desired: int = 0
    suspended: bool = False
    """Whether nothing is taken away, as by `SuspendedState.DynamicScalingInSuspended`."""
    _metrics: dict[str, deque[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, template: Template, endpoint: str) -> Scaling:
        """That of the endpoint of that name. An endpoint without any stays as it is."""
        resource = f"endpoint/{endpoint}/variant/"
        ((logical, target),) = (
            (key, said)
            for key, said in template.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items()
            if said["ResourceId"].startswith(resource)
        )
        assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
        assert target["ServiceNamespace"] == "sagemaker"
        scaling = cls(target["MinCapacity"], target["MaxCapacity"], None, [])
        alarms = template.of_type("AWS::CloudWatch::Alarm").values()
        for key, policy in template.of_type("AWS::ApplicationAutoScaling::ScalingPolicy").items():
            if policy.get("ScalingTargetId") != template.name(logical):
                assert policy.get("ResourceId") == target["ResourceId"], "a policy of another resource"
            if policy["PolicyType"] == "TargetTrackingScaling":
                said = policy["TargetTrackingScalingPolicyConfiguration"]
                metric = said["CustomizedMetricSpecification"]
                assert metric["Namespace"] == "AWS/SageMaker"
                assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
                assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": endpoint}]
                scaling.target = said["TargetValue"]
            else:
                step = policy["StepScalingPolicyConfiguration"]
                for alarm in alarms:
                    if template.name(key) in alarm.get("AlarmActions", []):
                        assert alarm["Namespace"] == "AWS/SageMaker"
                        assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": endpoint}]
                        scaling.steps.append(alarm | {"step": step})
        return scaling

    def minute(self, waiting: int, in_work: int, instances: int) -> int:
        """Called once a minute with what the metrics of that minute say; how many instances there should be."""
        backlog = waiting + in_work
        metrics = {
            "ApproximateBacklogSize": float(backlog),
            "HasBacklogWithoutCapacity": float(bool(backlog) and not instances),
        }
        if instances:
            metrics["ApproximateBacklogSizePerInstance"] = backlog / instances
        for name, value in metrics.items():
            self._metrics.setdefault(name, deque(maxlen=IN_AFTER)).append(value)
        for alarm in self.steps:
            if self._alarmed(alarm):
                self.desired = max(self.desired, self._stepped(alarm["step"], alarm))
        if self.target is not None and instances:
            last = list(self._metrics["ApproximateBacklogSizePerInstance"])
            if len(last) >= OUT_AFTER and min(last[-OUT_AFTER:]) > self.target:
                self.desired = max(self.desired, math.ceil(backlog / self.target))
            elif len(last) == IN_AFTER and max(last) < 0.9 * self.target and not self.suspended:
                self.desired = math.ceil(backlog / self.target)
                self._metrics.clear()
        self.desired = min(max(self.desired, self.least), self.most)
        return self.desired

    def _alarmed(self, alarm: dict[str, Any]) -> bool:
        values = list(self._metrics.get(alarm["MetricName"], ()))
        periods = alarm["EvaluationPeriods"]
        needed = alarm.get("DatapointsToAlarm", periods)
        assert alarm["Period"] == 60
        breaching = _COMPARES[alarm["ComparisonOperator"]]
        return sum(breaching(value, alarm["Threshold"]) for value in values[-periods:]) >= needed

    def _stepped(self, step: dict[str, Any], alarm: dict[str, Any]) -> int:
        over = self._metrics[alarm["MetricName"]][-1] - alarm["Threshold"]
        for adjustment in step["StepAdjustments"]:
            lower = adjustment.get("MetricIntervalLowerBound", -math.inf)
            upper = adjustment.get("MetricIntervalUpperBound", math.inf)
            if lower <= over < upper:
                by = int(adjustment["ScalingAdjustment"])
                return by if step["AdjustmentType"] == "ExactCapacity" else self.desired + by
        return self.desired
