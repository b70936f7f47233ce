import type { PolicyExplanation, PolicyListItem, PolicyPlan } from '@featuremesh/contracts/admin-policies';
import { table } from '../output.ts';

/** How a change of policy acts, for a person. */
export function drawPlan(name: string, plan: PolicyPlan, item?: PolicyListItem): string {
  const state =
    item === undefined ? '' : `, ${item.state}, ${item.approvals} of ${item.requiredApprovals} approvals`;
  const wider = plan.wider.length === 0 ? '' : `\n  wider: ${plan.wider.join('; ')}`;
  const needs =
    item === undefined
      ? `\n  needs ${plan.requiredApprovals} approval${plan.requiredApprovals === 1 ? '' : 's'}`
      : '';
  const groups = plan.groups.map(group => [
    `  ${group.group}`,
    group.placementBefore.join(' '),
    group.placementAfter.join(' '),
    group.refusedWishes.join(' '),
  ]);
  const effect =
    groups.length === 0
      ? '\n  it changes no known group'
      : `\n${table(['  group', 'placement before', 'after', 'wishes refused'], groups)}`;
  const next =
    item?.state === 'proposed' ? `\n  Next: fmesh policy approve ${name} --officer ID --key FILE` : '';
  return `${name}: ${plan.change}${state}${wider}${needs}${effect}${next}`;
}

/** Where a group's rows may be and why, for a person. */
export function drawExplanation(one: PolicyExplanation): string {
  const list = (values: readonly string[] | null): string =>
    values === null ? 'any' : values.join(', ') || 'none';
  const jurisdictions = one.readers.byPlacement
    ? 'those of the regions that hold the rows'
    : list(one.readers.jurisdictions);
  const policies = one.policies.map(
    policy =>
      `${policy.home}/${policy.name} v${policy.version}${policy.inputOf === null ? '' : ` (through its input ${policy.inputOf})`}`,
  );
  return [
    one.group,
    `  allowed by policy   ${list(one.allowed)}`,
    `  placement           ${list(one.placement)}${one.refusedWishes.length === 0 ? '' : ` (wished and refused: ${one.refusedWishes.join(', ')})`}`,
    `  rows                ${one.rows}${one.replicated ? ', replicated' : ', each row in the region that accepted it'}`,
    `  answered through    ${Object.entries(one.gatewaySets)
      .map(([holder, gateways]) => `${holder}: ${gateways.join(', ')}`)
      .join('; ')}`,
    `  readers             jurisdictions: ${jurisdictions}; purposes: ${list(one.readers.purposes)}`,
    `  egress, visibility  ${one.egress}, ${one.visibility}`,
    `  policies            ${policies.length === 0 ? 'none: the group stays in its home region' : policies.join(', ')}`,
    `  policy epoch        ${one.policyEpoch}`,
  ].join('\n');
}
