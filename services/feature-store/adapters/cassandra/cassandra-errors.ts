import { type Problem, ProblemError, problem } from '@featuremesh/domain/problem';
import { errors, types } from 'cassandra-driver';

const CODES = types.responseErrorCodes;
/** OpenSSL’s code for an answer that is no TLS. */
const NOT_TLS = 'ERR_SSL_WRONG_VERSION_NUMBER';

/**
 * What a failure of the driver means, in words for an operator. Decided by class and code; the server's text is only quoted where it
 * names objects of the schema, since keys are always bound and never part of a text.
 */
export function storeProblem(error: unknown): Problem {
  return problem('STORE_UNAVAILABLE', describe(error));
}

/** Wraps what the driver threw; a ProblemError passes as it is. */
export function unavailable(error: unknown): ProblemError {
  return error instanceof ProblemError ? error : new ProblemError(storeProblem(error), { cause: error });
}

/** True where a conditional write may or may not have taken place. */
export function isUnknownOutcome(error: unknown): boolean {
  return (
    error instanceof errors.OperationTimedOutError ||
    (error instanceof errors.ResponseError && error.code === CODES.writeTimeout)
  );
}

/** True where a write that failed did certainly not take place: it was not sent, or the server said so. */
export function isRefused(error: unknown): boolean {
  if (error instanceof ProblemError || error instanceof errors.NoHostAvailableError) return true;
  return error instanceof errors.ResponseError && NOT_DONE.has(error.code);
}

const NOT_DONE: ReadonlySet<number> = new Set([
  CODES.badCredentials,
  CODES.unavailableException,
  CODES.overloaded,
  CODES.isBootstrapping,
  CODES.syntaxError,
  CODES.unauthorized,
  CODES.invalid,
  CODES.configError,
]);

function describe(error: unknown): string {
  if (error instanceof errors.NoHostAvailableError) return describeHosts(error);
  if (error instanceof errors.AuthenticationError) return 'Cassandra refuses the credentials';
  if (error instanceof errors.OperationTimedOutError) return 'Cassandra did not answer within the deadline';
  if (error instanceof errors.BusyConnectionError) return 'all connections to Cassandra are busy';
  if (error instanceof errors.ResponseError) return describeResponse(error);
  if (error instanceof errors.ArgumentError)
    return `Cassandra’s driver refuses the configuration: ${error.message}`;
  return 'Cassandra does not answer';
}

function describeHosts(error: errors.NoHostAvailableError): string {
  const inner: unknown[] = Object.values(error.innerErrors ?? {});
  const telling = inner.find(
    each =>
      each instanceof errors.AuthenticationError ||
      each instanceof errors.ArgumentError ||
      each instanceof errors.ResponseError ||
      each instanceof errors.OperationTimedOutError,
  );
  if (telling !== undefined) return describe(telling);
  const codes = inner.flatMap(each => (each instanceof Error && 'code' in each ? String(each.code) : []));
  const untrusted = codes.find(code => isCertificateCode(code));
  if (untrusted !== undefined)
    return `the certificate of Cassandra is refused (${untrusted}): it is not signed by what store.tls.ca names, or not for this address`;
  if (codes.includes(NOT_TLS)) return 'Cassandra does not answer with TLS, which store.tls asks for';
  const why = codes.length === 0 ? '' : ` (${[...new Set(codes)].join(', ')})`;
  return `no Cassandra node of the permitted data centres can be reached${why}`;
}

/** What OpenSSL and Node call a certificate that they refuse. */
function isCertificateCode(code: string): boolean {
  return /CERT|VERIFY/.test(code);
}

function describeResponse({ code, message }: errors.ResponseError): string {
  switch (code) {
    case CODES.badCredentials:
      return 'Cassandra refuses the credentials';
    case CODES.unauthorized:
      return `the role lacks a permission in Cassandra: ${message}`;
    case CODES.unavailableException:
      return 'too few replicas are up for the configured consistency';
    case CODES.readTimeout:
    case CODES.writeTimeout:
      return 'too few replicas answered in time for the configured consistency';
    case CODES.overloaded:
      return 'the Cassandra node is overloaded';
    case CODES.isBootstrapping:
      return 'the Cassandra node is joining its cluster';
    case CODES.invalid:
      return `Cassandra does not have what the statement names: ${message}`;
    default:
      return `Cassandra failed with code 0x${code.toString(16)}`;
  }
}
