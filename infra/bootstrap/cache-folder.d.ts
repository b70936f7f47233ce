/** The user-level folder for what is obtained once. */
export declare function cacheFolder(): string;
