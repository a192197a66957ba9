'use strict'
// Files of processes that ended long ago. A process that lives writes every minute, so the age of
// a file tells.

const fs = require('node:fs')
const path = require('node:path')

const DAY = 24 * 60 * 60 * 1000
const OURS = /^haraka-\d+\.jsonl(\.\d+)?$/

/** Deletes them now and once a day, one after the other and without making anybody wait. */
function sweep(dir, keepDays) {
    const run = () => {
        fs.readdir(dir, (error, names) => {
            if (!error) next(dir, names.filter((name) => OURS.test(name)), keepDays)
        })
    }
    setInterval(run, DAY).unref()
    run()
}

function next(dir, names, keepDays) {
    const name = names.pop()
    if (name === undefined) return
    const file = path.join(dir, name)
    fs.stat(file, (error, stat) => {
        const isOld = !error && Date.now() - stat.mtimeMs > keepDays * DAY
        // What cannot be deleted is no worse off than before.
        if (isOld) fs.unlink(file, () => next(dir, names, keepDays))
        else next(dir, names, keepDays)
    })
}

module.exports = { sweep }
