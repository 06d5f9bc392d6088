"""A small template with one of each resource that the simulators read."""

from __future__ import annotations

from typing import Any

ORIGIN = "https://music.example.org"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function(handler: str) -> dict[str, Any]:
    return resource(
        "Lambda::Function",
        Handler=f"tests.simulators.sample_functions.{handler}",
        Runtime="python3.13",
        Role={"Fn::GetAtt": ["Role", "Arn"]},
        Timeout=1,
        Environment={"Variables": {"TABLE": {"Ref": "AWS::Region"}}},
    )


def route(key: str) -> dict[str, Any]:
    return resource(
        "ApiGatewayV2::Route",
        ApiId={"Ref": "Api"},
        RouteKey=key,
        Target={"Fn::Join": ["/", ["integrations", {"Ref": "To"}]]},
    )


def metric(name: str, **more: Any) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        **more,
    }


RESOURCES = {
    "Role": resource(
        "IAM::Role",
        Policies=[
            {
                "PolicyDocument": {
                    "Statement": [
                        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/in/*"},
                        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/in/secret"},
                        {
                            "Effect": "Allow",
                            "Action": ["s3:ListBucket"],
                            "Resource": "arn:aws:s3:::b",
                            "Condition": {"StringLike": {"s3:prefix": ["in/*"]}},
                        },
                    ]
                }
            }
        ],
    ),
    "Echo": function("echo"),
    "Slow": function("slow"),
    "Failing": function("failing"),
    "Api": resource(
        "ApiGatewayV2::Api",
        ProtocolType="HTTP",
        CorsConfiguration={
            "AllowOrigins": [ORIGIN],
            "AllowMethods": ["POST"],
            "AllowHeaders": ["content-type"],
            "MaxAge": 9,
        },
    ),
    "Stage": resource(
        "ApiGatewayV2::Stage",
        ApiId={"Ref": "Api"},
        StageName="$default",
        AutoDeploy=True,
        RouteSettings={"POST /few": {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2}},
    ),
    "To": resource(
        "ApiGatewayV2::Integration",
        ApiId={"Ref": "Api"},
        IntegrationType="AWS_PROXY",
        PayloadFormatVersion="2.0",
        IntegrationUri={"Fn::GetAtt": ["Echo", "Arn"]},
    ),
    **{
        name: route(key)
        for name, key in {"A": "GET /a/{id}", "B": "POST /few", "C": "POST /forbidden"}.items()
    },
    "MayInvokeA": resource(
        "Lambda::Permission",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        FunctionName={"Fn::GetAtt": ["Echo", "Arn"]},
        SourceArn={"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*/a/*"},
    ),
    "MayInvokeFew": resource(
        "Lambda::Permission",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        FunctionName={"Fn::GetAtt": ["Echo", "Arn"]},
        SourceArn={"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*/few"},
    ),
    "Model": resource("SageMaker::Model", ModelName="m", ExecutionRoleArn="r", PrimaryContainer={}),
    "Config": resource(
        "SageMaker::EndpointConfig",
        EndpointConfigName="c",
        ProductionVariants=[{"ModelName": "m"}],
        AsyncInferenceConfig={
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
            "OutputConfig": {
                "S3OutputPath": "s3://b/out",
                "S3FailurePath": "s3://b/failed",
                "NotificationConfig": {"SuccessTopic": "good", "ErrorTopic": "bad"},
            },
        },
    ),
    "Endpoint": resource("SageMaker::Endpoint", EndpointName="e", EndpointConfigName="c"),
    "Target": resource(
        "ApplicationAutoScaling::ScalableTarget",
        ResourceId="endpoint/e/variant/v",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        ServiceNamespace="sagemaker",
        MinCapacity=0,
        MaxCapacity=2,
    ),
    "Tracking": resource(
        "ApplicationAutoScaling::ScalingPolicy",
        ScalingTargetId={"Ref": "Target"},
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 2,
            "CustomizedMetricSpecification": metric("ApproximateBacklogSizePerInstance"),
        },
    ),
    "Waking": resource(
        "ApplicationAutoScaling::ScalingPolicy",
        ScalingTargetId={"Ref": "Target"},
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ExactCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    ),
    "Alarm": resource(
        "CloudWatch::Alarm",
        **metric("HasBacklogWithoutCapacity"),
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[{"Ref": "Waking"}],
    ),
}
