"""Sign-in: a Cognito user pool of invited users, with the page as its client."""

from __future__ import annotations

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.nag import explained
from infra.names import stack_name


def prefix(stack: str) -> str:
    """Return the prefix of the sign-in page's domain, which must be unique in a region."""
    return f"{stack}-{Aws.ACCOUNT_ID}"


def origins(stack: str) -> tuple[str, str]:
    """Return the origins that the page calls: OpenID configuration and token endpoint.

    Given by name, because the page's content security policy needs them and the pool needs the page's origin.
    """
    return (
        f"https://cognito-idp.{Aws.REGION}.amazonaws.com",
        f"https://{prefix(stack)}.auth.{Aws.REGION}.amazoncognito.com",
    )


class SignIn(Construct):
    """`origin`: where the sign-in page returns users to."""

    def __init__(self, scope: Construct, name: str, origin: str) -> None:
        super().__init__(scope, name)
        self.pool = cognito.UserPool(
            self,
            "People",
            user_pool_name=stack_name(self),
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        explained(
            self.pool,
            COG2="Every user may turn on a second factor; songs are not secret enough to require it.",
            COG3="Threat protection costs a fee per user, and only invited users have an account.",
            COG8="The more expensive plan would only add threat protection.",
        )
        domain = cognito.CognitoDomainOptions(domain_prefix=prefix(stack_name(self)))
        self.pool.add_domain("Page", cognito_domain=domain)
        self.client = self.pool.add_client(
            "App",
            generate_secret=False,
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=[f"{origin}/"],
                logout_urls=[f"{origin}/"],
            ),
        )

    @property
    def issuer(self) -> str:
        """Issuer, as in the tokens."""
        return f"https://cognito-idp.{Aws.REGION}.amazonaws.com/{self.pool.user_pool_id}"
