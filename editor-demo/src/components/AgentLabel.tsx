/** Stands behind the name of what is no person. */
export function AgentLabel() {
  return <span className="agent-label">Agent</span>
}
