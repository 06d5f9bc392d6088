"""AWS's list prices in US dollars, without tax, for the region us-east-1 (North Virginia).

They were not read from an account, and AWS's pages insert their figures by script. `seen` names the source that quotes
the price; "check" marks prices without a source. `free` is the monthly allowance of every account. Temporary
allowances of new accounts are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE = "https://aws.amazon.com/"
LIST = "AWS Price List API of 2026-09-13, as a public repository quotes it"
QUOTED = "several public repositories of 2025 and 2026 agree"
CHECK = "check"
WORKBENCH = "SuperCowPowers/workbench on GitHub, model_utils.py"
EC2_FILE = "price file of EC2 read on 2026-10-09, as a public repository quotes it"
FARGATE = "fortem.dev, June 2026, and tomgregory.com agree; Spot: less 50 to 70 %"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one `unit`, the page of AWS with the price, and who quotes it."""

    usd: float
    unit: str
    page: str
    seen: str
    free: float = 0.0
    """Free units a month."""


MILLION = 1e6

PRICES = {
    "ml.g4dn.xlarge": Price(0.736, "hour", "sagemaker/ai/pricing/", QUOTED),
    "ml.g5.xlarge": Price(1.408, "hour", "sagemaker/ai/pricing/", QUOTED),
    "ml.g6.xlarge": Price(1.127, "hour", "sagemaker/ai/pricing/", QUOTED),
    "ml.c7i.xlarge": Price(
        0.214, "hour", "sagemaker/ai/pricing/", f"{WORKBENCH}: 0.21; 1.2 times EC2's 0.1785"
    ),
    "ml.c7i.2xlarge": Price(0.428, "hour", "sagemaker/ai/pricing/", f"{CHECK}: twice ml.c7i.xlarge"),
    "ml.c8g.xlarge": Price(
        0.191, "hour", "sagemaker/ai/pricing/", f"{CHECK}: 1.2 times EC2's 0.15952, {EC2_FILE}"
    ),
    "Fargate processor": Price(0.04048, "hour", "fargate/pricing/", FARGATE),
    "Fargate memory": Price(0.004445, "GB-hour", "fargate/pricing/", FARGATE),
    "Lambda x86": Price(1.66667e-5, "GB-second", "lambda/pricing/", QUOTED, 400_000),
    "Lambda arm64": Price(1.33334e-5, "GB-second", "lambda/pricing/", LIST),
    "Lambda disk": Price(3.09e-8, "GB-second", "lambda/pricing/", CHECK),
    "Lambda calls": Price(0.20 / MILLION, "call", "lambda/pricing/", LIST, MILLION),
    "HTTP API": Price(1.00 / MILLION, "call", "api-gateway/pricing/", LIST),
    "WebSocket messages": Price(1.00 / MILLION, "message", "api-gateway/pricing/", QUOTED),
    "WebSocket minutes": Price(0.25 / MILLION, "minute", "api-gateway/pricing/", QUOTED),
    "DynamoDB writes": Price(0.625 / MILLION, "write unit", "dynamodb/pricing/on-demand/", LIST),
    "DynamoDB reads": Price(0.125 / MILLION, "read unit", "dynamodb/pricing/on-demand/", LIST),
    "DynamoDB recovery": Price(0.20, "GB-month", "dynamodb/pricing/on-demand/", QUOTED),
    "S3 writes": Price(0.005 / 1000, "request", "s3/pricing/", QUOTED),
    "S3 reads": Price(0.0004 / 1000, "request", "s3/pricing/", QUOTED),
    "S3 storage": Price(0.023, "GB-month", "s3/pricing/", QUOTED),
    "Transfer out": Price(0.09, "GB", "ec2/pricing/on-demand/", QUOTED, 100),
    "SNS": Price(0.50 / MILLION, "notice", "sns/pricing/", CHECK, MILLION),
    "SQS": Price(0.40 / MILLION, "request", "sqs/pricing/", CHECK, MILLION),
    "ECR storage": Price(0.10, "GB-month", "ecr/pricing/", QUOTED),
    "CloudWatch alarms": Price(0.10, "alarm", "cloudwatch/pricing/", QUOTED, 10),
    "CloudWatch dashboards": Price(3.00, "dashboard", "cloudwatch/pricing/", QUOTED, 3),
    "CloudWatch metrics": Price(0.30, "metric", "cloudwatch/pricing/", QUOTED, 10),
    "CloudWatch logs": Price(0.50, "GB", "cloudwatch/pricing/", QUOTED, 5),
    "X-Ray traces": Price(5.00 / MILLION, "trace", "xray/pricing/", CHECK, 100_000),
    "CodeBuild": Price(0.02, "minute", "codebuild/pricing/", f"{CHECK}: general1.large"),
}
