//! The loops: gather, decide, plan, apply, verify, undo. Declares the ports that they need.
