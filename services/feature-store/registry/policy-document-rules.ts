import type { MeshState } from '@featuremesh/domain/mesh-state';
import type { PolicyDocument } from '@featuremesh/domain/policy';
import { type Issue, type Problem, problem } from '@featuremesh/domain/problem';

/** What is wrong with a policy at this region: NOT_HOME, NOT_YET_SUPPORTED, or INVALID_POLICY with every issue and its path. */
export function documentProblem(document: PolicyDocument, state: MeshState): Problem | undefined {
  if (document.home !== state.region) {
    const home = state.regions.find(({ id }) => id === document.home);
    return problem('NOT_HOME', `${document.name} is at home in ${document.home}, this is ${state.region}`, {
      extra: { home: document.home, ...(home === undefined ? {} : { publicUrl: home.publicUrl }) },
    });
  }
  const issues = [...selectionIssues(document), ...allowedIssues(document, state), ...dateIssues(document)];
  if (issues.length === 0) return undefined;
  return problem('INVALID_POLICY', 'the policy is not valid', { issues });
}

function selectionIssues({ select, home }: PolicyDocument): readonly Issue[] {
  const issues: Issue[] = [];
  if (select.groups.length + select.tags.length + select.entities.length === 0)
    issues.push({ path: 'select', message: 'selects nothing; name groups, tags or entities' });
  for (const [i, group] of select.groups.entries())
    if (!group.startsWith(`${home}/`))
      issues.push({
        path: `select.groups[${i}]`,
        message: `must be a group of ${home}, written ${home}/name`,
      });
  for (const [i, tag] of select.tags.entries())
    if (!tag.startsWith('policy/'))
      issues.push({ path: `select.tags[${i}]`, message: 'policies select by tags under policy/ only' });
  return issues;
}

function allowedIssues({ allowed }: PolicyDocument, state: MeshState): readonly Issue[] {
  const issues: Issue[] = [];
  if (allowed.regions.length + allowed.jurisdictions.length === 0)
    issues.push({ path: 'allowed', message: 'allows no region; name regions or jurisdictions' });
  for (const [i, region] of allowed.regions.entries())
    if (!state.regions.some(({ id }) => id === region))
      issues.push({ path: `allowed.regions[${i}]`, message: `${region} is not a region of this mesh` });
  return issues;
}

function dateIssues({ effective }: PolicyDocument): readonly Issue[] {
  if (effective.until === null || Date.parse(effective.until) > Date.parse(effective.from)) return [];
  return [{ path: 'effective.until', message: 'must be after effective.from' }];
}
