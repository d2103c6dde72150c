"""Every outcome other than success that a caller may see, declared once.

``code`` is the public contract and never changes; ``detail`` is written for the caller and holds
nothing internal. Any other exception is a bug: logged in full, shown as ``internal``.
Rendered as RFC 9457 by the REST door and in each other door's own form.
"""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


class Problem(Exception):
    """An outcome the caller may see."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    advice: ClassVar[str] = ""
    type_uri: ClassVar[str | None] = None
    """The problem type, where a standard gives it a name of its own."""
    catalogue: ClassVar[dict[str, type["Problem"]]] = {}

    def __init_subclass__(cls) -> None:
        """Enter the class in the catalogue; raises TypeError when its code is taken."""
        if Problem.catalogue.setdefault(cls.code, cls) is not cls:
            raise TypeError(f"problem code {cls.code!r} is already taken")

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
        **extra: Json,
    ) -> None:
        super().__init__(detail or self.advice or self.title)
        self.detail = detail or self.advice or self.title
        self.headers = dict(headers or {})
        self.reason = reason or self.code
        self.extra = extra


class NotAuthenticated(Problem):
    """No credential, or one that was refused; ``reason`` says which check failed."""

    code, status, title = "not_authenticated", 401, "Not authenticated"
    advice = "Send a valid credential as 'Authorization: Bearer …'."


class PermissionDenied(Problem):
    """The caller may know the thing is there, and may not do this to it."""

    code, status, title = "permission_denied", 403, "Permission denied"
    advice = "The credential or your role does not allow this."


class ReverificationNeeded(Problem):
    """The person proved too long ago who they are; Clerk's front end knows ``clerk_error``."""

    code, status, title = "reverification_needed", 403, "Prove again who you are"
    advice = "This takes a session in which you signed in not long ago. Sign in again."

    @classmethod
    def within(cls, seconds: int) -> "ReverificationNeeded":
        """Say how long ago it may be, as Clerk's ``useReverification`` reads it."""
        minutes = max(1, seconds // 60)
        asked: dict[str, Json] = {"level": "first_factor", "afterMinutes": minutes}
        return cls(
            f"This takes a sign-in of the last {minutes} minutes. Sign in again.",
            clerk_error={
                "type": "forbidden",
                "reason": "reverification-error",
                "metadata": {"reverification": asked},
            },
        )


class KeysUnavailable(Problem):
    """Clerk's keys could not be had, which is the server's fault and not the caller's."""

    code, status, title = "keys_unavailable", 503, "Signing keys unavailable"
    advice = "The keys that verify sign-ins can't be fetched just now. Try again shortly."


class RouteNotFound(Problem):
    """No route has this path."""

    code, status, title = "not_found", 404, "Not found"
    advice = "There is nothing at this address."


class MethodNotAllowed(Problem):
    """The path is there, the method is not."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"
    advice = "The Allow header lists the methods that this address takes."


class RequestInvalid(Problem):
    """A parameter or the body is not of the declared form; ``errors`` lists where."""

    code, status, title = "invalid_request", 422, "Invalid request"
    advice = "The request does not have the form this operation takes."


class RequestMalformed(Problem):
    """The body or a header could not be parsed at all."""

    code, status, title = "malformed_request", 400, "Malformed request"
    advice = "The request could not be read."


class RequestTooLarge(Problem):
    """A JSON body over its bound."""

    code, status, title = "request_too_large", 413, "Request too large"
    advice = "The request body is larger than this operation takes."


class MediaTypeUnsupported(Problem):
    """A body of a media type that the operation does not take."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"
    advice = "Send the body as application/json."


class MediaTypeRefused(Problem):
    """A file of a type that may not be put there, by its declaration or by its bytes."""

    code, status, title = "media_type_refused", 415, "Type of file refused"
    advice = "Files of this type may not be put here."


class PolicyRefused(Problem):
    """A name, or one file more, that the workspace's or the operator's policy does not allow."""

    code, status, title = "policy_refused", 422, "Refused by policy"
    advice = "The policy of this workspace does not allow this."


class WorkspaceNotFound(Problem):
    """The workspace is missing or hidden: the two can't be told apart."""

    code, status, title = "workspace_not_found", 404, "Workspace not found"
    advice = "There is no such workspace, or you may not see it."


class FileNotFound(Problem):
    """The file or folder is missing or hidden."""

    code, status, title = "file_not_found", 404, "File not found"
    advice = "There is no such file or folder, or you may not see it."


class VersionConflict(Problem):
    """The file to be replaced has another version by now; ``current_version_id`` says which."""

    code, status, title = "version_conflict", 409, "Version conflict"
    advice = "The file has another version than the one to be replaced. Look at it first."


class VersionNotFound(Problem):
    """The file is visible and has no version of that id."""

    code, status, title = "version_not_found", 404, "Version not found"
    advice = "This file has no such version."


class UploadNotFound(Problem):
    """The upload is missing or hidden."""

    code, status, title = "upload_not_found", 404, "Upload not found"
    advice = "There is no such upload, or you may not see it."


class MemberNotFound(Problem):
    """The workspace is visible and nobody of that id is in it."""

    code, status, title = "member_not_found", 404, "Member not found"
    advice = "The workspace has no such member."


class MemberExists(Problem):
    """A second membership for the same person."""

    code, status, title = "member_exists", 409, "Already a member"
    advice = "This person is a member already; change the role instead."


class MemberFromClerk(Problem):
    """Memberships that Clerk decides are not edited here."""

    code, status, title = "member_from_clerk", 409, "Membership comes from Clerk"
    advice = "This membership follows the Clerk organization; change it there."


class LastOwner(Problem):
    """The change would leave a workspace without an owner."""

    code, status, title = "last_owner", 409, "Last owner"
    advice = "A workspace keeps at least one owner; make somebody else an owner first."


class HomeWorkspace(Problem):
    """Home workspaces come back on sight, so they can't be deleted."""

    code, status, title = "home_workspace", 409, "Home workspace"
    advice = "A personal or organization home workspace can't be deleted."


class NameInvalid(Problem):
    """A file, folder or workspace name that would be a trick or can't be stored everywhere."""

    code, status, title = "name_invalid", 422, "Name not allowed"
    advice = "This name can't be used."


class NameTaken(Problem):
    """A sibling has the name and the caller asked for ``error`` on conflict."""

    code, status, title = "name_taken", 409, "Name taken"
    advice = "Something here has this name already."


class ParentInvalid(Problem):
    """The folder named as a parent can't take the thing."""

    code, status, title = "parent_invalid", 409, "Not a place to put things"
    advice = "The target folder is missing, in the bin, or a file."


class MoveIntoSelf(Problem):
    """The move would cut the folder off from the root."""

    code, status, title = "move_into_self", 409, "Can't move a folder into itself"
    advice = "Choose a folder outside the one being moved."


class TooDeep(Problem):
    """The tree's depth is bounded."""

    code, status, title = "too_deep", 422, "Too deep"
    advice = "Folders nest at most 64 deep."


class NotInBin(Problem):
    """Restore was asked for something that is not deleted."""

    code, status, title = "not_in_bin", 409, "Not in the bin"
    advice = "Only something in the bin can be restored."


class UploadTooLarge(Problem):
    """Over the size limit, declared or received; ``limit_bytes`` says which limit."""

    code, status, title = "upload_too_large", 413, "Upload too large"
    advice = "The file is larger than allowed here."


class QuotaExceeded(Problem):
    """``used_bytes``, ``quota_bytes`` and ``asked_bytes`` say how far over."""

    code, status, title = "quota_exceeded", 507, "Quota exceeded"
    advice = "The workspace's storage quota does not hold this file."


class StorageFull(Problem):
    """The disk under the blobs has no room."""

    code, status, title = "storage_full", 507, "Storage full"
    advice = "The server's disk is full. What is stored stays; go on once there is room."


class DirectUnavailable(Problem):
    """The store takes no parts from clients, or the upload was not declared so."""

    code, status, title = "direct_unavailable", 409, "Direct upload not available"
    advice = "The storage behind this server takes no bytes from clients; leave out 'direct'."


class PartsInvalid(Problem):
    """The parts named are not those that the store has; nothing was joined."""

    code, status, title = "parts_invalid", 422, "Parts not valid"
    advice = "Name every part from 1 on, with the ETag that the store gave for it."


class SizeMismatch(Problem):
    """Declared and received sizes differ; nothing was kept."""

    code, status, title = "size_mismatch", 422, "Size mismatch"
    advice = "The bytes received are not as many as were declared. Create a new upload."


class ChecksumMismatch(Problem):
    """Declared and computed checksums differ; nothing was kept."""

    code, status, title = "checksum_mismatch", 422, "Checksum mismatch"
    advice = "The bytes received do not have the declared checksum. Create a new upload."


class ContentInterrupted(Problem):
    """The connection or body ended before the declared length."""

    code, status, title = "content_interrupted", 400, "Upload interrupted"
    advice = "The body ended early. What came is kept; go on from the upload's offset."


class UploadUrlInvalid(Problem):
    """A missing, altered or foreign signature."""

    code, status, title = "upload_url_invalid", 403, "Upload URL not valid"
    advice = "The upload URL is not one that this server signed. Create the upload again."


class UploadUrlExpired(Problem):
    """The signature is right and its time has passed."""

    code, status, title = "upload_url_expired", 410, "Upload URL expired"
    advice = "The upload URL has expired. Renew it with POST /api/v1/uploads/{id}/renew."


class UploadClosed(Problem):
    """The upload takes no more bytes; ``upload_status`` says why."""

    code, status, title = "upload_closed", 410, "Upload closed"
    advice = "This upload is complete, failed, aborted or expired. Create a new one."


class UploadSuperseded(Problem):
    """Another connection sent the same upload and took over."""

    code, status, title = "upload_superseded", 409, "Upload superseded"
    advice = "A newer request took this upload over."


class UploadHeld(Problem):
    """Another connection sends the same upload and has not let go of it in time."""

    code, status, title = "upload_held", 409, "Upload held"
    advice = "Another request is still writing this upload. Try again shortly."


class OffsetMismatch(Problem):
    """The bytes begin elsewhere than where the stored ones end; ``expected_offset`` says where."""

    code, status, title = "upload_offset_mismatch", 409, "Upload offset mismatch"
    advice = "Ask for the upload's offset and go on from there."
    type_uri = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"


class LengthInconsistent(Problem):
    """A request says another length of the whole than was said before, or two at once."""

    code, status, title = "upload_length_inconsistent", 400, "Upload length inconsistent"
    advice = "The lengths given for this upload contradict each other."
    type_uri = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"


class LengthRequired(Problem):
    """An upload whose length nobody says, where it can't be learned from what comes."""

    code, status, title = "upload_length_required", 411, "Upload length required"
    advice = "Say how many bytes the whole upload has, with Upload-Length."


class ChunkChecksumMismatch(Problem):
    """The bytes of one request do not have the checksum it gave; none of them was kept."""

    code, status, title = "chunk_checksum_mismatch", 460, "Checksum mismatch"
    advice = "The bytes of this request do not have the checksum it gave. Send them again."


class ChecksumUnsupported(Problem):
    """A checksum of a kind that is not known here, or one that can't be read."""

    code, status, title = "checksum_unsupported", 400, "Checksum not supported"
    advice = "The Tus-Checksum-Algorithm header lists the checksums that are checked here."


class TusVersionUnsupported(Problem):
    """A request in a version of tus that is not spoken here, or in none."""

    code, status, title = "tus_version_unsupported", 412, "Version of tus not supported"
    advice = "Send 'Tus-Resumable: 1.0.0'."


class UploadConcatenated(Problem):
    """Bytes for an upload that is made of others."""

    code, status, title = "upload_concatenated", 403, "Upload is made of others"
    advice = "This upload is made of partial uploads and takes no bytes of its own."


class PartInvalid(Problem):
    """Something that can't be part of a concatenation: missing, foreign, or not whole yet."""

    code, status, title = "upload_part_invalid", 409, "Not a part to concatenate"
    advice = "Concatenate your own partial uploads of this workspace, each once it is whole."


class LinkNotFound(Problem):
    """The link is missing or hidden."""

    code, status, title = "link_not_found", 404, "Link not found"
    advice = "There is no such link, or you may not see it."


class LinkInvalid(Problem):
    """A missing, altered or foreign signature on a download URL."""

    code, status, title = "link_invalid", 403, "Link not valid"
    advice = "This link is not one that this server signed. Ask for a new one."


class LinkExpired(Problem):
    """The signature is right and the link's time has passed."""

    code, status, title = "link_expired", 410, "Link expired"
    advice = "This link has expired. Ask whoever gave it for a new one."


class LinkEnded(Problem):
    """Killed, used up, or whoever made it may not give this any more; ``reason`` says it."""

    code, status, title = "link_ended", 410, "Link ended"
    advice = "This link gives nothing any more. Ask whoever gave it for a new one."


class LinkNetworkRefused(Problem):
    """The link is bound to networks, and the request came from another."""

    code, status, title = "link_network_refused", 403, "Not from this network"
    advice = "This link works from certain networks only."


class LinkPasswordNeeded(Problem):
    """The link has a password, and none came or a wrong one."""

    code, status, title = "link_password_needed", 403, "Password needed"
    advice = (
        "Send the password in the header Doorward-Link-Password, or open the link in a browser."
    )


class LinkPasswordTries(Problem):
    """Too many wrong passwords for this link, whoever sent them; Retry-After says how long."""

    code, status, title = "link_password_tries", 429, "Too many wrong passwords"
    advice = "Too many wrong passwords came for this link. Try again later."


class LinkWider(Problem):
    """A change may only narrow a link."""

    code, status, title = "link_wider", 422, "A link is only narrowed"
    advice = "A link's bounds can be narrowed, never widened. Make a new link instead."


class KeyNotFound(Problem):
    """The key is missing or hidden."""

    code, status, title = "key_not_found", 404, "Key not found"
    advice = "There is no such key, or you may not see it."


class KeyEnded(Problem):
    """The key was revoked or has expired; ``key_status`` says which."""

    code, status, title = "key_ended", 409, "Key ended"
    advice = "This key opens nothing any more, and is not brought back. Make a new one."


class KeyNetworkRefused(Problem):
    """The key is bound to networks, and the request came from another."""

    code, status, title = "key_network_refused", 403, "Not from this network"
    advice = "This key works from certain networks only."


class DecisionNotFound(Problem):
    """Nothing in the trail has this request id, or nothing that the caller may read."""

    code, status, title = "decision_not_found", 404, "Decision not found"
    advice = "The trail has no such request, or you may not read what it has."


class GrantNotFound(Problem):
    """What is to be ended was not allowed by this person, or never."""

    code, status, title = "grant_not_found", 404, "Grant not found"
    advice = "You allowed no application this."


class ScopeUnknown(Problem):
    """A scope that there is not; ``known`` lists those there are."""

    code, status, title = "scope_unknown", 422, "Unknown scope"
    advice = "Ask for scopes that there are."


class ExchangeRefused(Problem):
    """A token exchange that can't be answered (RFC 8693, section 2.2.2): ``error`` says why."""

    code, status, title = "exchange_refused", 400, "Token exchange refused"
    advice = "Send grant_type, subject_token and subject_token_type as RFC 8693 has them."


class TransferNotFound(Problem):
    """No such offer, or none for this caller: the two can't be told apart."""

    code, status, title = "transfer_not_found", 404, "Hand-over not found"
    advice = "There is no such hand-over, or it was offered to somebody else."


class TransferEnded(Problem):
    """Claimed, cancelled, expired or undone; ``transfer_state`` says it where it may be known."""

    code, status, title = "transfer_ended", 410, "Hand-over ended"
    advice = "This hand-over can't go on any more. Ask for a new offer."


class TransferPending(Problem):
    """A second offer of one workspace; ``transfer_id`` names the first."""

    code, status, title = "transfer_pending", 409, "Already offered"
    advice = "This workspace is offered already. Cancel that offer first."


class TransferToSelf(Problem):
    """An offer to, or claimed by, whoever made it."""

    code, status, title = "transfer_to_self", 409, "Offered to yourself"
    advice = "A workspace is handed over to somebody else than its offerer."


class TransferSuperseded(Problem):
    """What is to be undone was handed over again since."""

    code, status, title = "transfer_superseded", 409, "Handed over again"
    advice = "The workspace was handed over again since; only the last hand-over can be undone."


class PreviewChanged(Problem):
    """What was looked at is not what would happen now; ``preview`` says what would."""

    code, status, title = "preview_changed", 409, "Preview changed"
    advice = "What this hand-over changes is not what you looked at. Look at the new preview."


class OAuthRefused(Problem):
    """A client or a page asked the OAuth door in vain; the answer itself is as OAuth has it."""

    code, status, title = "oauth_refused", 400, "OAuth request refused"
    advice = "Ask as the document at /.well-known/oauth-authorization-server says."


class NotAFolder(Problem):
    """An archive was asked for of a file."""

    code, status, title = "not_a_folder", 409, "Not a folder"
    advice = "Only a folder comes as an archive; a file is downloaded as it is."


class FolderTooLarge(Problem):
    """The folder holds more than one archive may."""

    code, status, title = "folder_too_large", 422, "Folder too large"
    advice = "The folder holds too much for one archive; take its folders one by one."


class ImageUnsupported(Problem):
    """A thumbnail was asked for of something that no decoder here takes."""

    code, status, title = "image_unsupported", 415, "Not an image we read"
    advice = "Thumbnails are made of PNG, JPEG, GIF and WebP images."


class ImageInvalid(Problem):
    """The image is broken, or more than the bounds on pixels, memory and time."""

    code, status, title = "image_invalid", 422, "Image not readable"
    advice = "The image is damaged, or larger than thumbnails are made of."


class PreconditionFailed(Problem):
    """RFC 9110, section 15.5.13: If-Match or If-Unmodified-Since names other bytes."""

    code, status, title = "precondition_failed", 412, "Precondition failed"
    advice = "The file is not the one that the request names any more."


class RangeNotSatisfiable(Problem):
    """RFC 9110, section 15.5.17."""

    code, status, title = "range_not_satisfiable", 416, "Range not satisfiable"
    advice = "The range lies outside the file."


class StorageFailed(Problem):
    """The blob store failed; details are in the log only."""

    code, status, title = "storage_failed", 502, "Storage failed"
    advice = "The bytes could not be stored or read. Try again from the upload's offset."


class AddressNotAllowed(Problem):
    """A URL that the server does not ask for anybody; never says what a name leads to."""

    code, status, title = "address_not_allowed", 422, "Address not allowed"
    advice = "The server fetches http and https addresses of the public network only."


class UpstreamFailed(Problem):
    """The server that a URL names gave no answer that could be used; details nowhere."""

    code, status, title = "upstream_failed", 502, "Upstream failed"
    advice = "The address gave no usable answer. See whether it works from elsewhere."


class SizeUnknown(Problem):
    """An address whose answer ends with the connection: its end can't be told from a cut."""

    code, status, title = "size_unknown", 422, "Size unknown"
    advice = "The address does not tell where its bytes end. Download it and upload it here."


class TooManyRequests(Problem):
    """More at once than one caller, one host or the whole server is given."""

    code, status, title = "too_many_requests", 429, "Too many requests"
    advice = "Too much of this is going on already. Try again after the time in Retry-After."


class RateLimited(Problem):
    """One of the limits is reached; ``limit`` names it, and Retry-After says how long to wait."""

    code, status, title = "rate_limited", 429, "Rate limit reached"
    advice = "More requests came than the limit allows. Wait as long as Retry-After says."


class BudgetExhausted(RateLimited):
    """What the credential may spend in an hour is spent; ``limit`` names the budget."""

    code, status, title = "budget_exhausted", 429, "Budget exhausted"
    advice = "This credential's budget for the hour is spent."


class CreditsExhausted(Problem):
    """The credits of the organization, or of the person, are spent until ``resets_at``."""

    code, status, title = "credits_exhausted", 402, "Credits exhausted"
    advice = "This month's credits are spent; they begin anew with the month."


class WebhookRefused(Problem):
    """What came is not signed by Clerk, not of now, or no event; ``reason`` says which."""

    code, status, title = "webhook_refused", 400, "Webhook refused"
    advice = "This is not one of Clerk's webhooks, or not one of this moment."


class Busy(Problem):
    """A database stayed locked beyond the time allowed, or can't be read for the moment."""

    code, status, title = "busy", 503, "Busy"
    advice = "The server could not get its turn at the database. Try again shortly."


class Internal(Problem):
    """Any exception that is not a problem."""

    code, status, title = "internal", 500, "Internal error"
    advice = "Something went wrong here. The request id helps to find it in the log."
