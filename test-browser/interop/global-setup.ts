export { buildPackage as default } from '../support/global-setup.ts'
