//! Strongly connected components (Tarjan 1972), without recursion.

/// Not visited.
const NEW: u32 = 0;
/// Its component is known.
const DONE: u32 = u32::MAX;

/// The work of a search.
#[derive(Debug, Default)]
pub(super) struct Components {
    /// The lowest number on the stack that a node reaches.
    low: Vec<u32>,
    stack: Vec<u32>,
    /// Nodes whose successors are being visited: the node, its own number, and how far.
    path: Vec<(u32, u32, u32)>,
}

impl Components {
    /// All components of more than one node that `roots` reach, of nodes below `count`.
    ///
    /// `next` answers a successor of a node and moves a cursor, 0 at first.
    pub(super) fn find(
        mut self,
        count: usize,
        roots: impl Iterator<Item = u32>,
        mut next: impl FnMut(u32, &mut u32) -> Option<u32>,
    ) -> Vec<Vec<u32>> {
        self.low.clear();
        self.low.resize(count, NEW);
        let (mut found, mut number) = (Vec::new(), 0);
        for root in roots {
            if self.low[root as usize] != NEW {
                continue;
            }
            self.enter(root, &mut number);
            while let Some(&mut (node, own, ref mut cursor)) = self.path.last_mut() {
                let Some(to) = next(node, cursor) else {
                    self.path.pop();
                    self.leave(node, own, &mut found);
                    continue;
                };
                match self.low[to as usize] {
                    NEW => self.enter(to, &mut number),
                    DONE => {}
                    low => self.low[node as usize] = self.low[node as usize].min(low),
                }
            }
        }
        found
    }

    fn enter(&mut self, node: u32, number: &mut u32) {
        *number += 1;
        self.low[node as usize] = *number;
        self.stack.push(node);
        self.path.push((node, *number, 0));
    }

    fn leave(&mut self, node: u32, own: u32, found: &mut Vec<Vec<u32>>) {
        let low = self.low[node as usize];
        if low < own {
            let (before, _, _) = self.path.last().expect("what it reaches is still open");
            let before = &mut self.low[*before as usize];
            *before = low.min(*before);
            return;
        }
        let from = self.stack.iter().rposition(|member| *member == node);
        let from = from.expect("it is on the stack until its component is known");
        for member in &self.stack[from..] {
            self.low[*member as usize] = DONE;
        }
        if self.stack.len() - from > 1 {
            found.push(self.stack[from..].to_vec());
        }
        self.stack.truncate(from);
    }
}
