"""What a hospital's Microsoft 365 still lacks before video visits can take place there."""

from collections.abc import Collection, Mapping, Sequence

from shared.domain.readiness import Observer, State, Verdict
from shared.domain.words import Said, said

# Each permission is a set of names of which one is enough, the least first, and what is said without it.
_NEEDED: tuple[tuple[frozenset[str], Said], ...] = (
    (
        frozenset({"OnlineMeetings.ReadWrite.All"}),
        said("Missing: OnlineMeetings.ReadWrite.All. Without it there are no meetings."),
    ),
)
_USEFUL: tuple[tuple[frozenset[str], Said], ...] = (
    (
        frozenset({"User.ReadBasic.All", "User.Read.All"}),
        said("Missing: User.ReadBasic.All. Without it approvers cannot be looked up by their address."),
    ),
    (
        frozenset({"VirtualAppointment.Read.All", "VirtualAppointment.ReadWrite.All"}),
        said("Missing: VirtualAppointment.Read.All. Without it patients get no address for any browser."),
    ),
    (
        frozenset({"User.Read.All"}),
        said("Missing: User.Read.All. Without it nobody sees here who has a Teams license."),
    ),
)


def judged_consent(refusal_code: str | None) -> Verdict:
    """`refusal_code` is Entra's number for why the app got no token; None when it got one."""
    if refusal_code is None:
        return Verdict(State.OK, said("The app can sign in to your organization."))
    steps = {
        "AADSTS700016": said("Give admin consent: the app is not known in your organization yet."),
        "AADSTS7000229": said("Give admin consent: the app is not known in your organization yet."),
        "AADSTS65001": said("Give admin consent."),
        "AADSTS7000215": said("Put a current client secret into the key vault as entra-client-secret."),
        "AADSTS7000222": said("The client secret has expired. Put a new one into the key vault."),
        "AADSTS700213": said("Add the app's managed identity as a federated credential of the registration."),
        "AADSTS70021": said("Add the app's managed identity as a federated credential of the registration."),
    }
    return Verdict(
        State.PROBLEM,
        said("Microsoft Entra gives the app no token (%(code)s).", code=refusal_code),
        (steps.get(refusal_code, said("Look the code up in Microsoft's list of sign-in errors.")),),
    )


def judged_permissions(granted: Collection[str], *, client_id: str) -> Verdict:
    """What is missing is named, with what does not work without it."""
    missing = [sentence for names, sentence in _NEEDED if names.isdisjoint(granted)]
    wished = [sentence for names, sentence in _USEFUL if names.isdisjoint(granted)]
    seen = (
        said("Granted: %(names)s.", names=", ".join(sorted(granted)))
        if granted
        else said("No permission in Microsoft Graph is granted.")
    )
    if not missing and not wished:
        return Verdict(State.OK, seen)
    return Verdict(
        State.PROBLEM if missing else State.WARNING,
        seen,
        (
            *missing,
            *wished,
            said("Add the missing permissions to the app registration, then give admin consent."),
        ),
        (f"az ad app permission admin-consent --id {client_id}",),
    )


def permissions_not_shown() -> Verdict:
    """Graph does not let the app read its own permissions."""
    return Verdict(
        State.UNKNOWN,
        said("The app may not read which permissions it has."),
        (
            said("Compare the permissions of the app registration with the documentation."),
            said("To have them checked here, grant Application.Read.All as well."),
        ),
    )


POLICY_NAME = "Visit-Connector"


def judged_access_policy(
    allowed: Mapping[str, bool | None], *, names: Mapping[str, str], client_id: str
) -> Verdict:
    """`allowed` says for each organizer's object id whether the policy covers it; None where nobody could see."""
    without = [one for one, yes in allowed.items() if yes is False]
    unseen = [one for one, yes in allowed.items() if yes is None]
    if not allowed:
        return no_accounts()
    if without:
        return Verdict(
            State.PROBLEM,
            said(
                "No application access policy covers %(people)s: Teams lets the app make no meetings for them.",
                people=_people(without, names),
            ),
            (
                said("Run these lines in PowerShell as a Teams administrator."),
                said(
                    "Somebody who has a policy already keeps only one: add the app id to that policy instead."
                ),
                said("Teams may take 30 minutes to notice."),
            ),
            _policy_lines(without, client_id),
        )
    if unseen:
        return Verdict(
            State.UNKNOWN,
            said("Teams did not say whether the policy covers %(people)s.", people=_people(unseen, names)),
            (said("Mend the problems above first, then check again."),),
            _policy_lines(unseen, client_id),
        )
    return Verdict(
        State.OK, said("The app may make meetings for all %(count)d accounts.", count=len(allowed))
    )


def _policy_lines(people: Sequence[str], client_id: str) -> tuple[str, ...]:
    """Teams PowerShell. There is no Graph call for it, so a person pastes it."""
    return (
        "Connect-MicrosoftTeams",
        f'New-CsApplicationAccessPolicy -Identity "{POLICY_NAME}" -AppIds "{client_id}"',
        *(f'Grant-CsApplicationAccessPolicy -PolicyName "{POLICY_NAME}" -Identity "{one}"' for one in people),
    )


def no_accounts() -> Verdict:
    return Verdict(
        State.WARNING,
        said("No scheduling account and no provider is mapped, so nobody can organize meetings beforehand."),
        (said("Name at least one scheduling account in an environment."),),
        observed_by=Observer.SETTING,
    )


def judged_licences(licensed: Mapping[str, bool | None], *, names: Mapping[str, str]) -> Verdict:
    """`licensed` says for each object id whether it has Teams; None where nobody could see."""
    if not licensed:
        return no_accounts()
    without = [one for one, yes in licensed.items() if yes is False]
    unseen = [one for one, yes in licensed.items() if yes is None]
    if without:
        return Verdict(
            State.PROBLEM,
            said("No Teams license: %(people)s.", people=_people(without, names)),
            (said("Assign a Microsoft 365 license that includes Teams, in the Microsoft 365 admin center."),),
        )
    if unseen:
        return Verdict(
            State.UNKNOWN,
            said("The app may not see the licenses of %(people)s.", people=_people(unseen, names)),
            (
                said("Check in the Microsoft 365 admin center that each of them has Teams."),
                said("To have it checked here, grant User.Read.All as well."),
            ),
        )
    return Verdict(State.OK, said("All %(count)d accounts have a Teams license.", count=len(licensed)))


def judged_guest_addresses(allowed: bool) -> Verdict:
    if allowed:
        return Verdict(State.OK, said("Teams gives patients an address that opens in any browser."))
    return Verdict(
        State.WARNING,
        said(
            "Teams gives the app no browser address, so patients get the usual meeting address: "
            "not guaranteed to open in the browser."
        ),
        (
            said(
                "Grant VirtualAppointment.Read.All; where Microsoft does not support it, nothing can be done."
            ),
            said("Try the patient's link once on a phone without the Teams app."),
        ),
    )


def mail_off() -> Verdict:
    return Verdict(
        State.CONFIGURED,
        said("Mail is off: approvers are not told by email that something waits for them."),
        (said("To switch it on, set MAIL_FROM to a mailbox that the app may send from."),),
        observed_by=Observer.SETTING,
    )


def judged_mail(*, allowed: bool, mailbox: str, everywhere: bool, client_id: str) -> Verdict:
    """`everywhere`: the permission Mail.Send is granted for all mailboxes, which is far more than is needed."""
    if not allowed:
        return Verdict(
            State.PROBLEM,
            said("Exchange does not let the app send from %(mailbox)s.", mailbox=mailbox),
            (
                said("Run these lines in PowerShell as an Exchange administrator."),
                said("The object id is the one of the enterprise application, not of the registration."),
                said("Exchange may take two hours to notice."),
            ),
            _mail_lines(mailbox, client_id),
        )
    if everywhere:
        return Verdict(
            State.WARNING,
            said(
                "The app may send from every mailbox of your organization, not only from %(mailbox)s.",
                mailbox=mailbox,
            ),
            (
                said("Run these lines, then remove Mail.Send from the app registration's permissions."),
                said(
                    "With an application access policy in Exchange that already limits it, nothing is to do."
                ),
            ),
            _mail_lines(mailbox, client_id),
        )
    return Verdict(State.OK, said("The app may send from %(mailbox)s.", mailbox=mailbox))


def no_mailbox(mailbox: str) -> Verdict:
    return Verdict(
        State.PROBLEM,
        said("There is no mailbox %(mailbox)s in your organization.", mailbox=mailbox),
        (said("Set MAIL_FROM to a mailbox of your organization, or leave it empty."),),
    )


def _mail_lines(mailbox: str, client_id: str) -> tuple[str, ...]:
    """Exchange Online's role-based access for applications."""
    app, scope = f'"{client_id}"', '"Visit Connector mailbox"'
    principal = '"<object id of the enterprise application>"'
    only = f"\"PrimarySmtpAddress -eq '{mailbox}'\""
    return (
        "Connect-ExchangeOnline",
        f'New-ServicePrincipal -AppId {app} -ObjectId {principal} -DisplayName "Visit Connector"',
        f"New-ManagementScope -Name {scope} -RecipientRestrictionFilter {only}",
        f'New-ManagementRoleAssignment -App {app} -Role "Application Mail.Send" -CustomResourceScope {scope}',
        f'Test-ServicePrincipalAuthorization -Identity {app} -Resource "{mailbox}"',
    )


def _people(ids: Sequence[str], names: Mapping[str, str]) -> str:
    shown = [names.get(one, one) for one in ids[:5]]
    return ", ".join(shown) + (f" (+{len(ids) - 5})" if len(ids) > 5 else "")
