"""Counters in a DynamoDB table: one item for each record, changed by one conditional update.

DynamoDB deletes an item some time after it has expired, usually within days. Until then it stays, and is never read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from unbraid.aws import clients
from unbraid.aws.items import number_of
from unbraid.jobs.ports import Count
from unbraid.s3.errors import code_of


class DynamoCounters:
    """The Counters (see `jobs.ports`) in the table `table`, whose key is `id`. Raises botocore's errors.

    If an answer is lost, botocore repeats the update, which then counts twice.
    """

    def __init__(self, table: str) -> None:
        self.table = table

    @cached_property
    def _db(self) -> Any:
        return clients.client("dynamodb")

    def add(self, record: str, counts: Sequence[Count], expires_at: float) -> frozenset[str]:
        # The condition below is true for a counter that doesn't exist yet, whatever the amount.
        if too_much := frozenset(each.counter for each in counts if each.amount > each.most):
            return too_much
        names, values = {"#ttl": "ttl"}, {":ttl": {"N": str(math.ceil(expires_at))}}
        for number, each in enumerate(counts):
            names[f"#c{number}"] = each.counter
            values[f":amount{number}"] = {"N": str(each.amount)}
            values[f":room{number}"] = {"N": str(each.most - each.amount)}
        numbers = range(len(counts))
        add = ", ".join(f"#c{number} :amount{number}" for number in numbers)
        fits = (f"(attribute_not_exists(#c{number}) OR #c{number} <= :room{number})" for number in numbers)
        try:
            self._db.update_item(
                TableName=self.table,
                Key={"id": {"S": record}},
                UpdateExpression=f"SET #ttl = :ttl ADD {add}",
                ConditionExpression=" AND ".join(fits),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            there: Any = error.response.get("Item", {})
            return frozenset(
                each.counter
                for each in counts
                if each.counter in there and number_of(there[each.counter]) > each.most - each.amount
            )
        return frozenset()
