"""Before a patient sits down: machine and rig, tried and judged as traffic lights."""
