"""Whether a file may be in a workspace once more: how many there may be, and under which names.

The operator's policy and the workspace's both count. What lies there already was judged when it
came, and a policy that is newer does not touch it.
"""

from collections.abc import Iterable

from doorward.server.files.model import Kind, Node
from doorward.server.files.ports import FileTx
from doorward.server.problems import PolicyRefused
from doorward.server.workspaces.policy import NO_POLICY, Policy, check_naming

Policies = tuple[Policy, ...]


def policies_of(tx: FileTx, workspace_id: str, operator: Policy) -> Policies:
    """Give the policies that hold in a workspace."""
    workspace = tx.workspaces.get(workspace_id)
    return (operator, NO_POLICY if workspace is None else workspace.policy)


def check_room(tx: FileTx, workspace_id: str, policies: Iterable[Policy], more: int = 1) -> None:
    """Make sure that there may be ``more`` files beside all declared ones; raises PolicyRefused."""
    limit = _files_max(policies)
    if limit is None or not more:
        return
    if tx.files.count(workspace_id) + tx.files.count_awaited(workspace_id) + more > limit:
        raise PolicyRefused(
            f"There may be at most {limit} files here, those being uploaded included.",
            limit_files=limit,
        )


def check_last_room(tx: FileTx, workspace_id: str, policies: Iterable[Policy]) -> None:
    """Make sure that a file which was declared may be seen now; raises PolicyRefused.

    Other declared ones are not in its way, since some of them replace what is there.
    """
    limit = _files_max(policies)
    if limit is not None and tx.files.count(workspace_id) >= limit:
        raise PolicyRefused(f"There may be at most {limit} files here.", limit_files=limit)


def check_restored(tx: FileTx, node: Node, name: str, policies: Policies) -> None:
    """Judge all that comes out of the bin with a node, itself as ``name``; raises PolicyRefused."""
    if all(policy == NO_POLICY for policy in policies):
        return
    back = tx.files.taken_along(node.workspace_id, node.id)
    check_naming(name, policies, of_file=node.kind is Kind.FILE)
    for one in back:
        if one.id != node.id:
            check_naming(one.name, policies, of_file=one.kind is Kind.FILE)
    check_room(tx, node.workspace_id, policies, sum(one.kind is Kind.FILE for one in back))


def _files_max(policies: Iterable[Policy]) -> int | None:
    limits = [policy.max_files for policy in policies if policy.max_files is not None]
    return min(limits, default=None)
