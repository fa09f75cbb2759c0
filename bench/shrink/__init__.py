"""From a trial that fails to the smallest one found that fails in the same way, as a script that anyone can run."""
