/** Where a membership can be brought to, and what that does to its person. */
export const CHANGES = {
  activate: {
    verb: 'Activate',
    status: 'active',
    says: 'They can log in again with the roles that they had.',
  },
  deactivate: {
    verb: 'Deactivate',
    status: 'deactivated',
    says: 'Their sessions here end within a second, and steps that run in their name stop. What they own stays.',
  },
  lock: {
    verb: 'Lock',
    status: 'locked',
    says: 'Their sessions here end within a second, and they cannot log in until they are unlocked.',
  },
  unlock: { verb: 'Unlock', status: 'active', says: 'They can log in again.' },
} as const;
