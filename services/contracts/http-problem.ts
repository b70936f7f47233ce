import { z } from 'zod';

/** The body of every error answer: RFC 9457 `application/problem+json` with the product's members; others ride along. */
const httpProblemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  retryable: z.boolean(),
  issues: z
    .array(z.looseObject({ path: z.string(), message: z.string(), code: z.string().exactOptional() }))
    .exactOptional(),
});

/** An error answer. */
export type HttpProblem = z.infer<typeof httpProblemSchema>;
