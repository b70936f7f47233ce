import type { ApolloServerPlugin } from '@apollo/server';

/** What a browser sees at `/graphql`: one page without scripts, pictures or addresses of others, in place of the vendor's, which loads both. */
export function localLandingPage(region: string): ApolloServerPlugin {
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>featuremesh gateway ${region}</title></head>
<body>
<h1>featuremesh gateway ${region}</h1>
<p>Send GraphQL operations to this address with POST and <code>content-type: application/json</code>.</p>
<pre>{"query": "{ regions { id jurisdiction health } featureGroups { nodes { homeRegion name version } } }"}</pre>
<p>The same reads without GraphQL: <code>POST /v1/online/read</code>. State: <code>/health/ready</code>, <code>/metrics</code>.</p>
</body>
</html>
`;
  return { serverWillStart: async () => ({ renderLandingPage: async () => ({ html }) }) };
}
