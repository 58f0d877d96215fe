// Built from web/page and clients/js/src by `npm run build` in clients/js; do not edit.
import{a}from"./shared-3.js";import"./shared-4.js";export{a as openSocket};
