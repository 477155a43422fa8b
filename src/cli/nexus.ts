/** The client's initiator port. */
export const NEXUS = 'client';
