"""Everything that can be asked for, with the scope and the role it takes."""

from enum import Enum
from typing import Self

from doorward.server.permission.roles import Role
from doorward.server.permission.scopes import Scope


class Action(Enum):
    """One verb on one kind of resource; ``name_`` is what the audit trail and users read."""

    WORKSPACE_CREATE = ("workspace:create", Scope.WORKSPACES_CREATE, None)
    WORKSPACE_LIST = ("workspace:list", Scope.WORKSPACES_READ, None)
    WORKSPACE_READ = ("workspace:read", Scope.WORKSPACES_READ, Role.VIEWER)
    WORKSPACE_UPDATE = ("workspace:update", Scope.WORKSPACES_MANAGE, Role.ADMIN)
    WORKSPACE_DELETE = ("workspace:delete", Scope.WORKSPACES_MANAGE, Role.OWNER)
    MEMBER_LIST = ("member:list", Scope.MEMBERS_READ, Role.VIEWER)
    MEMBER_ADD = ("member:add", Scope.MEMBERS_MANAGE, Role.ADMIN)
    MEMBER_UPDATE = ("member:update", Scope.MEMBERS_MANAGE, Role.ADMIN)
    MEMBER_REMOVE = ("member:remove", Scope.MEMBERS_MANAGE, Role.ADMIN)
    MEMBER_LEAVE = ("member:leave", Scope.MEMBERS_MANAGE, Role.VIEWER)
    FILE_LIST = ("file:list", Scope.FILES_READ, Role.VIEWER)
    FILE_READ = ("file:read", Scope.FILES_READ, Role.VIEWER)
    FILE_DOWNLOAD = ("file:download", Scope.FILES_READ, Role.VIEWER)
    FILE_THUMBNAIL = ("file:thumbnail", Scope.FILES_READ, Role.VIEWER)
    FILE_UPDATE = ("file:update", Scope.FILES_WRITE, Role.EDITOR)
    FILE_DELETE = ("file:delete", Scope.FILES_DELETE, Role.EDITOR)
    FILE_RESTORE = ("file:restore", Scope.FILES_WRITE, Role.EDITOR)
    FOLDER_CREATE = ("folder:create", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_CREATE = ("upload:create", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_IMPORT = ("upload:import", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_READ = ("upload:read", Scope.FILES_READ, Role.VIEWER)
    UPLOAD_RENEW = ("upload:renew", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_ABORT = ("upload:abort", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_RECEIVE = ("upload:receive", Scope.FILES_WRITE, Role.EDITOR)
    UPLOAD_FINISH = ("upload:finish", Scope.FILES_WRITE, Role.EDITOR)
    EVENT_LIST = ("event:list", Scope.EVENTS_READ, Role.VIEWER)
    LINK_CREATE = ("link:create", Scope.FILES_WRITE, Role.EDITOR)
    LINK_LIST = ("link:list", Scope.FILES_READ, Role.VIEWER)
    LINK_READ = ("link:read", Scope.FILES_READ, Role.VIEWER)
    LINK_UPDATE = ("link:update", Scope.FILES_WRITE, Role.VIEWER)
    LINK_KILL = ("link:kill", Scope.FILES_WRITE, Role.VIEWER)
    USAGE_READ = ("usage:read", Scope.WORKSPACES_READ, None)
    TRANSFER_OFFER = ("transfer:offer", Scope.WORKSPACES_MANAGE, Role.OWNER)
    TRANSFER_LIST = ("transfer:list", Scope.WORKSPACES_READ, Role.ADMIN)
    TRANSFER_READ = ("transfer:read", Scope.WORKSPACES_READ, Role.ADMIN)
    TRANSFER_CANCEL = ("transfer:cancel", Scope.WORKSPACES_MANAGE, Role.OWNER)
    TRANSFER_PREVIEW = ("transfer:preview", Scope.WORKSPACES_READ, None)
    TRANSFER_CLAIM = ("transfer:claim", Scope.WORKSPACES_MANAGE, None)
    TRANSFER_UNDO = ("transfer:undo", Scope.WORKSPACES_MANAGE, Role.OWNER)
    AUDIT_READ = ("audit:read", Scope.AUDIT_READ, Role.ADMIN)
    ALERT_LIST = ("alert:list", Scope.AUDIT_READ, Role.ADMIN)
    KEY_CREATE = ("key:create", Scope.KEYS_MANAGE, None)
    KEY_LIST = ("key:list", Scope.KEYS_READ, None)
    KEY_READ = ("key:read", Scope.KEYS_READ, None)
    KEY_UPDATE = ("key:update", Scope.KEYS_MANAGE, None)
    KEY_ROTATE = ("key:rotate", Scope.KEYS_MANAGE, None)
    KEY_REVOKE = ("key:revoke", Scope.KEYS_MANAGE, None)
    TOKEN_EXCHANGE = ("token:exchange", None, None)
    TOKEN_REVOKE = ("token:revoke", None, None)
    CLIENT_REGISTER = ("client:register", None, None)
    GRANT_CREATE = ("grant:create", None, None)
    GRANT_REFUSE = ("grant:refuse", None, None)
    GRANT_TAKE_UP = ("grant:take-up", None, None)
    GRANT_REFRESH = ("grant:refresh", None, None)
    GRANT_REUSE = ("grant:reuse", None, None)
    GRANT_LIST = ("grant:list", None, None)
    GRANT_REVOKE = ("grant:revoke", None, None)
    TOKEN_INTROSPECT = ("token:introspect", None, None)
    EXPLAIN = ("decision:explain", None, None)
    AUDIT_EXPORT = ("audit:export", Scope.AUDIT_READ, Role.ADMIN)

    def __init__(self, name_: str, scope: Scope | None, role: Role | None) -> None:
        self.name_ = name_
        self.scope = scope
        self.role = role

    @classmethod
    def named(cls, name: str) -> Self:
        """Give the action that the audit trail calls ``name``; raises KeyError."""
        found = next((action for action in cls if action.name_ == name), None)
        if found is None:
            raise KeyError(name)
        return found


"""``role`` is None where no workspace is asked about: the credential's scope decides alone.

``scope`` is None where the action gives nothing that the credential does not hold already.
"""
