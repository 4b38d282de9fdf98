mod mailbox;
mod overflow;
mod tally;
mod wake;
