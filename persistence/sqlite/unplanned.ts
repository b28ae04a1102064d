/**
 * A parameter of which SQLite's planner sees no value. A statement is prepared anew for each value of a bare `?` in LIMIT, or
 * in an equality where it sorts or asks for max() or min(): that takes ten times as long as a look-up
 * (`exprCompareVariable()` and `sqlite3ExprIsInteger()` in SQLite's expr.c).
 */
export const UNPLANNED = '+?'
