/** Errors as plain values between threads: a structured clone keeps an error's words and loses its class and its codes. */
import { FormatError, type FormatErrorKind } from './errors.ts';

export interface PlainError {
  readonly message: string;
  /** Of a FormatError. */
  readonly format?: { readonly kind: FormatErrorKind; readonly where: string; readonly what: string };
  /** Of a system error. */
  readonly system?: { readonly code: string; readonly syscall: string | undefined; readonly path: string | undefined };
  readonly cause?: PlainError;
}

/** Causes kept. */
const DEPTH_MAX = 8;

export function plainError(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  return {
    message: error.message,
    ...(error instanceof FormatError && { format: { kind: error.kind, where: error.where, what: error.what } }),
    ...(typeof code === 'string' && { system: { code, syscall, path } }),
    ...(error.cause !== undefined && depth < DEPTH_MAX && { cause: plainError(error.cause, depth + 1) }),
  };
}

/** The error again: a FormatError, a system error with its code, or one with the same words. */
export function errorOf({ message, format, system, cause: behind }: PlainError): Error {
  const options = behind === undefined ? undefined : { cause: errorOf(behind) };
  if (format !== undefined) return new FormatError(format.kind, format.where, format.what, options);
  const error = new Error(message, options);
  if (system === undefined) return error;
  const { code, syscall, path } = system;
  return Object.assign(error, { code, ...(syscall && { syscall }), ...(path && { path }) });
}
