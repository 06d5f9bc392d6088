"""Application Auto Scaling of an asynchronous endpoint, from the policies and alarms of a template.

Follows https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html. Target tracking adds instances
after 3 minutes above the target backlog per instance, and removes them after 15 minutes below it. A step policy starts
the first instance.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.cloudformation import Template

OUT_AFTER, IN_AFTER = 3, 15  # minutes of target tracking
_COMPARISONS = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
}


@dataclass
class AutoScaling:
    """The number of instances that the policies want."""

    min_capacity: int
    max_capacity: int
    target: float | None
    steps: list[dict[str, Any]]
    """Properties of the alarms that start a step policy, with the policy under `step`."""
    desired: int = 0
    suspended: bool = False
    """Never scale in, as with `SuspendedState.DynamicScalingInSuspended`."""
    _metrics: dict[str, deque[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, template: Template, endpoint: str) -> AutoScaling:
        """Read the scaling of the endpoint with this name."""
        resource = f"endpoint/{endpoint}/variant/"
        ((logical, target),) = (
            (key, properties)
            for key, properties in template.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items()
            if properties["ResourceId"].startswith(resource)
        )
        assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
        assert target["ServiceNamespace"] == "sagemaker"
        scaling = cls(target["MinCapacity"], target["MaxCapacity"], None, [])
        alarms = template.of_type("AWS::CloudWatch::Alarm").values()
        for key, policy in template.of_type("AWS::ApplicationAutoScaling::ScalingPolicy").items():
            if policy.get("ScalingTargetId") != template.name(logical):
                assert policy.get("ResourceId") == target["ResourceId"], (
                    "the policy belongs to another resource"
                )
            if policy["PolicyType"] == "TargetTrackingScaling":
                tracking = policy["TargetTrackingScalingPolicyConfiguration"]
                metric = tracking["CustomizedMetricSpecification"]
                assert metric["Namespace"] == "AWS/SageMaker"
                assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
                assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": endpoint}]
                scaling.target = tracking["TargetValue"]
            else:
                step = policy["StepScalingPolicyConfiguration"]
                for alarm in alarms:
                    if template.name(key) in alarm.get("AlarmActions", []):
                        assert alarm["Namespace"] == "AWS/SageMaker"
                        assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": endpoint}]
                        scaling.steps.append(alarm | {"step": step})
        return scaling

    def minute(self, waiting: int, in_work: int, instances: int) -> int:
        """Evaluate one minute of metrics and return the number of instances to run. Call once a minute."""
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
            if self._in_alarm(alarm):
                self.desired = max(self.desired, self._step_capacity(alarm["step"], alarm))
        if self.target is not None and instances:
            last = list(self._metrics["ApproximateBacklogSizePerInstance"])
            if len(last) >= OUT_AFTER and min(last[-OUT_AFTER:]) > self.target:
                self.desired = max(self.desired, math.ceil(backlog / self.target))
            elif len(last) == IN_AFTER and max(last) < 0.9 * self.target and not self.suspended:
                self.desired = math.ceil(backlog / self.target)
                self._metrics.clear()
        self.desired = min(max(self.desired, self.min_capacity), self.max_capacity)
        return self.desired

    def _in_alarm(self, alarm: dict[str, Any]) -> bool:
        values = list(self._metrics.get(alarm["MetricName"], ()))
        periods = alarm["EvaluationPeriods"]
        needed = alarm.get("DatapointsToAlarm", periods)
        assert alarm["Period"] == 60
        breaching = _COMPARISONS[alarm["ComparisonOperator"]]
        return sum(breaching(value, alarm["Threshold"]) for value in values[-periods:]) >= needed

    def _step_capacity(self, step: dict[str, Any], alarm: dict[str, Any]) -> int:
        over = self._metrics[alarm["MetricName"]][-1] - alarm["Threshold"]
        for adjustment in step["StepAdjustments"]:
            lower = adjustment.get("MetricIntervalLowerBound", -math.inf)
            upper = adjustment.get("MetricIntervalUpperBound", math.inf)
            if lower <= over < upper:
                by = int(adjustment["ScalingAdjustment"])
                return by if step["AdjustmentType"] == "ExactCapacity" else self.desired + by
        return self.desired
