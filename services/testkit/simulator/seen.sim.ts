import { plantedDefectConformance } from './planted-tests.ts';

// What may be held, read and known; defects in how rows travel stand beside the clean runs.
plantedDefectConformance(['R', 'V', 'C']);
